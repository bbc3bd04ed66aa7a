// A linear layer of rows, alone or with Mish and layer norm, and the gradient, on CPU: a tile of
// rows at a time, whose activations never leave the cache and are computed again in the backward
// pass. Each thread takes a run of tiles; their sums are added in a fixed order.
#include <vector>

#include "norms.h"

namespace {

struct Shape {
  int64_t rows, inputs, channels;
};

// The structure that Python passes, of pointers to contiguous tensors. `bias` may be null, `scale`
// and `shift` are null for a linear layer alone.
template <class T>
struct Inputs {
  T *x, *weight, *bias, *scale, *shift;
};

// As a network of the pair block: value channels, and neither heads nor other networks.
template <class T>
Layout<T> layout_of(const Shape& s) {
  return Layout<T>({s.rows, s.rows, s.rows, s.rows, s.inputs, 0, {0, s.channels, 0}});
}

template <class T>
struct Layer {
  Layout<T> layout;
  const T* x;
  Buffer<T> forward, backward, bias, scale, shift;
  bool normed;

  Layer(const Shape& s, const Inputs<const T>& in, bool gradient)
      : layout(layout_of<T>(s)),
        x(in.x),
        forward(layout.padded_channels() * layout.padded_inputs()),
        backward(gradient ? layout.padded_channels() * layout.padded_inputs() : 0),
        bias(layout.padded_channels()),
        scale(layout.padded_channels()),
        shift(layout.padded_channels()),
        normed(in.scale) {
    layout.pack(forward.get(), gradient ? backward.get() : nullptr, in.weight);
    std::fill_n(bias.get(), layout.padded_channels(), T(0));
    if (in.bias) layout.pad(bias.get(), in.bias);
    if (!normed) return;
    layout.pad(scale.get(), in.scale);
    layout.pad(shift.get(), in.shift);
  }

  // The pre-activations of the tile from row `start` on.
  void fill(Tile<T>& tile, int64_t start, int64_t end) const {
    tile.fill(start, end, x);
    const Vec<T>* first = bias.vectors();
    project(tile, forward.vectors(), [&](int, int64_t v) { return first[v]; });
  }
};

// Tiles cut evenly into one run of rows per thread.
int64_t border(int64_t rows, int64_t part, int64_t parts) {
  const int64_t tiles = (rows + tile_pairs - 1) / tile_pairs;
  return std::min(rows, tiles * part / parts * tile_pairs);
}

// Keeps of each row the mean and the inverse deviation in `saved`, if there is a norm.
template <class T>
int forward(const Shape& s, const Inputs<const T>& in, T* y, T* saved, int threads) try {
  const Layer<T> layer(s, in, false);
  const int64_t C = s.channels, L = lanes<T>;
  std::vector<Tile<T>> tiles;
  tiles.reserve(threads);
  for (int t = 0; t < threads; ++t) tiles.emplace_back(layer.layout);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int t = 0; t < threads; ++t) {
    Tile<T>& tile = tiles[t];
    TileNorm<T> norm;
    const int64_t end = border(s.rows, t + 1, threads);
    for (int64_t start = border(s.rows, t, threads); start < end; start += tile_pairs) {
      layer.fill(tile, start, end);
      const auto store = [&](int p, int64_t v, Vec<T> result) {
        copy(y + (start + p) * C + v * L, reinterpret_cast<const T*>(&result),
             std::min(L, C - v * L));
      };
      if (!layer.normed) {
        for (int64_t v = 0; v < layer.layout.total; ++v)
          for (int p = 0; p < tile.count; ++p) store(p, v, tile.panel(v)[p]);
        continue;
      }
      norm.run({tile.z.vectors(), C}, layer.scale.vectors(), layer.shift.vectors(), tile.count,
               store);
      copy(saved + start, norm.mean, tile.count);
      copy(saved + s.rows + start, norm.inverse, tile.count);
    }
  }
  return 0;
} catch (const std::bad_alloc&) {
  return 2;
}

template <class T>
struct Sums {
  Buffer<T> weight, bias, scale, shift;

  explicit Sums(const Layout<T>& l)
      : weight(zeros(l.padded_channels() * l.padded_inputs())),
        bias(zeros(l.padded_channels())),
        scale(zeros(l.padded_channels())),
        shift(zeros(l.padded_channels())) {}

 private:
  static Buffer<T> zeros(int64_t count) {
    Buffer<T> made(count);
    std::fill_n(made.get(), count, T(0));
    return made;
  }
};

template <class T>
void collect(const Layout<T>& l, const std::vector<Sums<T>>& parts, const Inputs<T>& out) {
  std::vector<const T*> weights;
  for (const Sums<T>& part : parts) weights.push_back(part.weight.get());
  l.unpack(out.weight, weights);
  for (int64_t c = 0; c < l.channels(); ++c) {
    T bias = 0, scale = 0, shift = 0;
    for (const Sums<T>& part : parts) {
      bias += part.bias.get()[c];
      scale += part.scale.get()[c];
      shift += part.shift.get()[c];
    }
    if (out.bias) out.bias[c] = bias;
    if (!out.scale) continue;
    out.scale[c] = scale;
    out.shift[c] = shift;
  }
}

// Gradients of `out` that are null are not stored.
template <class T>
int backward(const Shape& s, const Inputs<const T>& in, const T* saved, const T* gradient,
             const Inputs<T>& out, int threads) try {
  const Layer<T> layer(s, in, out.x);
  const Layout<T>& l = layer.layout;
  const int64_t C = s.channels, L = lanes<T>, vectors = l.total;
  std::vector<Tile<T>> tiles;
  std::vector<TileNormBackward<T>> norms;
  std::vector<Sums<T>> sums;
  tiles.reserve(threads);
  for (int t = 0; t < threads; ++t) {
    tiles.emplace_back(l);
    norms.emplace_back(vectors);
    sums.emplace_back(l);
  }
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int t = 0; t < threads; ++t) {
    Tile<T>& tile = tiles[t];
    TileNormBackward<T>& norm = norms[t];
    Sums<T>& sum = sums[t];
    alignas(64) T mean[tile_pairs] = {}, inverse[tile_pairs] = {};
    const int64_t end = border(s.rows, t + 1, threads);
    for (int64_t start = border(s.rows, t, threads); start < end; start += tile_pairs) {
      if (layer.normed) {
        layer.fill(tile, start, end);
        copy(mean, saved + start, tile.count);
        copy(inverse, saved + s.rows + start, tile.count);
      } else {
        tile.fill(start, end, in.x);
      }
      for (int64_t v = 0; v < vectors; ++v) {
        Vec<T>* panel = layer.normed ? norm.gradient(v) : tile.panel(v);
        std::fill_n(panel, tile_pairs, Vec<T>{});
        for (int p = 0; p < tile.count; ++p)
          copy(reinterpret_cast<T*>(panel + p), gradient + (start + p) * C + v * L,
               std::min(L, C - v * L));
      }
      if (layer.normed)
        norm.run({tile.z.vectors(), C}, mean, inverse, layer.scale.vectors(), sum.scale.vectors(),
                 sum.shift.vectors());
      for (int64_t v = 0; v < vectors; ++v) {
        Vec<T> bias = {};
        for (int p = 0; p < tile.count; ++p) bias += tile.panel(v)[p];
        sum.bias.vectors()[v] += bias;
      }
      weight_gradient(tile, sum.weight.vectors());
      if (out.x) inputs_gradient<T, false>(tile, layer.backward.vectors(), out.x);
    }
  }
  collect(l, sums, out);
  return 0;
} catch (const std::bad_alloc&) {
  return 2;
}

}  // namespace

#define EXPORT(T, NAME)                                                                           \
  extern "C" int dense_forward_##NAME(const Shape* shape, const Inputs<const T>* in, T* y,        \
                                      T* saved, int threads) {                                    \
    return forward<T>(*shape, *in, y, saved, threads);                                            \
  }                                                                                               \
  extern "C" int dense_backward_##NAME(const Shape* shape, const Inputs<const T>* in,             \
                                       const T* saved, const T* gradient, const Inputs<T>* out,   \
                                       int threads) {                                             \
    return backward<T>(*shape, *in, saved, gradient, *out, threads);                              \
  }

EXPORT(float, float32)
EXPORT(double, float64)
