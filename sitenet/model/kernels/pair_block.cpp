// The pairwise attention block of sitenet/model/pair_block.py and its gradient, on CPU.
//
// Pairs pass in tiles that stay in cache; nothing of size pairs x channels is ever stored. Forward
// keeps per pair the attention, the norms' means and inverse deviations and the raw logits; the
// backward pass computes the rest again. Work is cut into contiguous runs of rows, one per thread,
// whose sums are added in a fixed order: results do not change from run to run.
#include <cmath>
#include <limits>
#include <vector>

#include "tiles.h"

namespace {

constexpr double norm_epsilon = 1e-5;
constexpr int64_t head_chunk = 4;

template <class T>
struct Weights {
  Buffer<T> forward;       // [vector][padded input][lane]
  Buffer<T> backward;      // [padded channel][padded input]
  Buffer<T> scale, shift;  // [padded channel], zero in the padding
  Buffer<T> logit;         // [head][padded hidden channel], times the norm's scale
  std::vector<T> logit_mean;
  Vec<T> inside[3];        // 1 where the last vector of a network holds a channel, else 0

  Weights(const Layout<T>& l, const T* weight, const T* norm_weight, const T* norm_bias,
          const T* logit_weight)
      : forward(l.padded_channels() * l.padded_inputs()),
        backward(l.padded_channels() * l.padded_inputs()),
        scale(l.padded_channels()),
        shift(l.padded_channels()),
        logit(l.heads * l.vectors[0] * l.L),
        logit_mean(l.heads) {
    l.pad(scale.get(), norm_weight);
    l.pad(shift.get(), norm_bias);
    pack(l, weight);
    const int64_t hidden = l.widths[0], padded = l.vectors[0] * l.L;
    for (int64_t h = 0; h < l.heads; ++h) {
      double sum = 0;
      for (int64_t c = 0; c < padded; ++c) {
        const T value = c < hidden ? logit_weight[h * hidden + c] * norm_weight[c] : T(0);
        logit.get()[h * padded + c] = value;
        sum += value;
      }
      logit_mean[h] = T(sum / hidden);
    }
    for (int n = 0; n < 3; ++n)
      for (int64_t lane = 0; lane < l.L; ++lane)
        inside[n][lane] = (l.vectors[n] - 1) * l.L + lane < l.widths[n] ? T(1) : T(0);
  }

 private:
  void pack(const Layout<T>& l, const T* weight) {
    const int64_t K = l.inputs, Kp = l.padded_inputs();
    std::fill_n(backward.get(), l.padded_channels() * Kp, T(0));
    for (int n = 0; n < 3; ++n)
      for (int64_t c = 0; c < l.widths[n]; ++c, weight += K)
        std::copy_n(weight, K, backward.get() + (l.first[n] * l.L + c) * Kp);
    for (int64_t c = 0; c < l.padded_channels(); ++c)
      for (int64_t k = 0; k < Kp; ++k)
        forward.get()[(c / l.L * Kp + k) * l.L + c % l.L] = backward.get()[c * Kp + k];
  }
};

// A contiguous run of rows, and the columns its pairs name.
struct Part {
  int64_t first_row, last_row, first_column, last_column;
};

std::vector<Part> cut(const Sizes& s, const int64_t* offsets, const int64_t* columns, int count) {
  std::vector<Part> parts(count);
  int64_t row = 0;
  for (int t = 0; t < count; ++t) {
    const int64_t target = s.pairs * (t + 1) / count;
    const int64_t end =
        t + 1 == count ? s.rows
                       : std::lower_bound(offsets + row, offsets + s.rows, target) - offsets;
    const auto [low, high] =
        std::minmax_element(columns + offsets[row], columns + offsets[end]);
    const bool empty = offsets[row] == offsets[end];
    parts[t] = {row, end, empty ? 0 : *low, empty ? 0 : *high + 1};
    row = end;
  }
  return parts;
}

bool valid(const Sizes& s, const int64_t* offsets, const int64_t* columns) {
  bool good = offsets[0] == 0 && offsets[s.rows] == s.pairs;
  for (int64_t r = 0; r < s.rows; ++r) good &= offsets[r] <= offsets[r + 1];
  for (int64_t p = 0; p < s.pairs; ++p) good &= uint64_t(columns[p]) < uint64_t(s.rows);
  return good;
}

template <class T>
struct Problem {
  Layout<T> layout;
  Weights<T> weights;
  Buffer<T> own, other;  // [row][padded channel]
  const T* interactions;
  const int64_t *offsets, *columns;
  std::vector<Part> parts;

  Problem(const Sizes& sizes, int threads, const T* project_i, const T* project_j,
          const T* pair_inputs, const T* weight, const T* norm_weight, const T* norm_bias,
          const T* logit_weight, const int64_t* row_offsets, const int64_t* column)
      : layout(sizes),
        weights(layout, weight, norm_weight, norm_bias, logit_weight),
        own(sizes.rows * layout.padded_channels()),
        other(sizes.rows * layout.padded_channels()),
        interactions(pair_inputs),
        offsets(row_offsets),
        columns(column),
        parts(cut(sizes, row_offsets, column, threads)) {
    const int64_t C = layout.channels(), Cp = layout.padded_channels();
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t r = 0; r < layout.rows; ++r) {
      layout.pad(own.get() + r * Cp, project_i + r * C);
      layout.pad(other.get() + r * Cp, project_j + r * C);
    }
  }
  int64_t saved_width() const { return 6 + layout.heads; }
};

// sum[h] = sum over channels of (z - mean) weight[h], for H heads.
template <class T, int H>
INLINE void centred_dots(const Vec<T>* z, int64_t vectors, T mean, const Vec<T>* weight, T* out) {
  Vec<T> sum[H] = {};
  for (int64_t v = 0; v < vectors; ++v) {
    const Vec<T> centred = z[v * tile_pairs] - mean;
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) sum[h] += centred * weight[h * vectors + v];
  }
#pragma GCC unroll 4
  for (int h = 0; h < H; ++h) out[h] = total<T>(sum[h]);
}

template <class T>
struct ForwardPart {
  const Problem<T>& problem;
  const Layout<T>& layout;
  const T* log_count;
  T *mixed, *fresh, *attention, *saved;
  Tile<T> tile;
  int64_t capacity, row, base;  // `row`: first that is not finished, `base`: its first pair
  Buffer<T> logits, values;     // [head][pair - base], [pair - base][value channel]
  Buffer<T> softmax, sums;      // one row: [pair], [head][value channel]

  ForwardPart(const Problem<T>& p, const Part& part, const T* log_counts, T* out_mixed,
              T* out_fresh, T* out_attention, T* out_saved)
      : problem(p),
        layout(p.layout),
        log_count(log_counts),
        mixed(out_mixed),
        fresh(out_fresh),
        attention(out_attention),
        saved(out_saved),
        tile(p.layout),
        row(part.first_row),
        base(p.offsets[part.first_row]) {
    int64_t longest = 0;
    for (int64_t r = part.first_row; r < part.last_row; ++r)
      longest = std::max(longest, p.offsets[r + 1] - p.offsets[r]);
    capacity = longest + tile_pairs;
    logits = Buffer<T>(layout.heads * capacity);
    values = Buffer<T>(capacity * layout.vectors[1] * layout.L);
    softmax = Buffer<T>(capacity + layout.L);
    sums = Buffer<T>(layout.heads * layout.vectors[1] * layout.L);
  }

  void run(const Part& part) {
    const int64_t end = problem.offsets[part.last_row];
    int64_t current = part.first_row;
    finish_rows(part.last_row, base);
    for (int64_t start = base; start < end; start += tile_pairs) {
      tile.fill(start, end, problem.interactions, problem.offsets, problem.columns, current);
      project(tile, problem.weights.forward.vectors(), problem.own.vectors(),
              problem.other.vectors());
      for (int p = 0; p < tile.count; ++p) pair(p);
      finish_rows(part.last_row, start + tile.count);
    }
  }

 private:
  // Mish in place, then mean and inverse deviation of the channels of network n.
  INLINE void activate(int n, int p, T* moments) {
    Vec<T>* z = tile.panel(layout.first[n]) + p;
    const int64_t vectors = layout.vectors[n];
    Vec<T> sum = {};
    for (int64_t v = 0; v < vectors; ++v)
      sum += z[v * tile_pairs] = Mish<T>::of(z[v * tile_pairs]).value;
    const T mean = total<T>(sum) / T(layout.widths[n]);
    Vec<T> square = {};
    for (int64_t v = 0; v + 1 < vectors; ++v) {
      const Vec<T> centred = z[v * tile_pairs] - mean;
      square += centred * centred;
    }
    const Vec<T> last = (z[(vectors - 1) * tile_pairs] - mean) * problem.weights.inside[n];
    square += last * last;
    moments[0] = mean;
    moments[1] = T(1) / std::sqrt(total<T>(square) / T(layout.widths[n]) + T(norm_epsilon));
  }

  INLINE void normalise(int n, int p, const T* moments, Vec<T>* out) {
    const Vec<T>* z = tile.panel(layout.first[n]) + p;
    const Vec<T>* scale = problem.weights.scale.vectors() + layout.first[n];
    const Vec<T>* shift = problem.weights.shift.vectors() + layout.first[n];
    for (int64_t v = 0; v < layout.vectors[n]; ++v)
      out[v] = (z[v * tile_pairs] - moments[0]) * (scale[v] * moments[1]) + shift[v];
  }

  void pair(int p) {
    const int64_t index = tile.begin + p, slot = index - base;
    T* kept = saved + index * problem.saved_width();
    activate(0, p, kept);
    const int64_t vectors = layout.vectors[0];
    const Vec<T>* z = tile.panel(0) + p;
    in_blocks<head_chunk>(layout.heads, [&]<int H>(int64_t h) {
      T dots[H];
      centred_dots<T, H>(z, vectors, kept[0], problem.weights.logit.vectors() + h * vectors, dots);
      for (int i = 0; i < H; ++i) {
        kept[6 + h + i] = dots[i] * kept[1];
        logits.get()[(h + i) * capacity + slot] = kept[6 + h + i] + log_count[index];
      }
    });
    activate(1, p, kept + 2);
    normalise(1, p, kept + 2, values.vectors() + slot * layout.vectors[1]);
    if (layout.widths[2]) {
      Vec<T> out[layout.vectors[2]];
      activate(2, p, kept + 4);
      normalise(2, p, kept + 4, out);
      std::memcpy(fresh + index * layout.widths[2], out, layout.widths[2] * sizeof(T));
    } else {
      kept[4] = kept[5] = 0;
    }
  }

  // Finishes the rows whose pairs all come before `end`; keeps the pairs that are left.
  void finish_rows(int64_t last_row, int64_t end) {
    const int64_t old = base;
    while (row < last_row && problem.offsets[row + 1] <= end) finish(row++, old);
    base = problem.offsets[row];
    const int64_t left = end - base, moved = base - old, width = layout.vectors[1] * layout.L;
    if (!moved || left <= 0) return;
    for (int64_t h = 0; h < layout.heads; ++h) {
      T* head = logits.get() + h * capacity;
      std::copy(head + moved, head + moved + left, head);
    }
    std::copy(values.get() + moved * width, values.get() + (moved + left) * width, values.get());
  }

  void finish(int64_t r, int64_t start) {
    const int64_t begin = problem.offsets[r], count = problem.offsets[r + 1] - begin;
    const int64_t H = layout.heads, width = layout.widths[1], vectors = layout.vectors[1];
    const Vec<T>* value = values.vectors() + (begin - start) * vectors;
    for (int64_t h = 0; h < H; ++h) {
      weigh(logits.get() + h * capacity + begin - start, count);
      const T* weight = softmax.get();
      Vec<T>* sum = sums.vectors();
      std::fill_n(sums.get(), vectors * layout.L, T(0));
      for (int64_t p = 0; p < count; ++p) {
        for (int64_t v = 0; v < vectors; ++v) sum[v] += weight[p] * value[p * vectors + v];
        attention[(begin + p) * H + h] = weight[p];
      }
      for (int64_t e = 0; e < width; ++e) mixed[(r * width + e) * H + h] = sums.get()[e];
    }
  }

  // Softmax of `count` logits. A row with nothing but masked pairs gives NaN (0 / 0).
  void weigh(const T* logit, int64_t count) {
    const int64_t vectors = (count + layout.L - 1) / layout.L;
    Vec<T>* weight = reinterpret_cast<Vec<T>*>(softmax.get());
    constexpr T infinity = std::numeric_limits<T>::infinity();
    std::copy(logit, logit + count, softmax.get());
    std::fill(softmax.get() + count, softmax.get() + vectors * layout.L, -infinity);
    Vec<T> top = splat<T>(-infinity);
    for (int64_t v = 0; v < vectors; ++v) top = weight[v] > top ? weight[v] : top;
    T highest = -infinity;
    for (int64_t lane = 0; lane < layout.L; ++lane) highest = std::max(highest, top[lane]);
    if (highest == -infinity) highest = 0;
    Vec<T> sum = {};
    for (int64_t v = 0; v < vectors; ++v) {
      const Vec<T> x = weight[v] - highest;
      const Vec<T> e = exponential<T>(at_least<T>(x, Real<T>::lowest));
      sum += weight[v] = x < Real<T>::lowest ? Vec<T>{} : e;
    }
    const T inverse = T(1) / total<T>(sum);
    for (int64_t v = 0; v < vectors; ++v) weight[v] *= inverse;
  }
};

template <class T>
struct BackwardPart {
  const Problem<T>& problem;
  const Layout<T>& layout;
  const T *mixed, *attention, *saved, *grad_mixed, *grad_fresh;
  T* grad_interactions;
  Vec<T>* grad_own;  // [row][vector], all rows
  Part part;
  Tile<T> tile;
  Buffer<T> grad_other;           // [column - part.first_column][vector]
  Buffer<T> grad_weight;          // [vector][padded input][lane]
  Buffer<T> grad_scale, grad_shift;  // [padded channel], value and interaction networks
  Buffer<T> grad_logit;           // [head][hidden channel]: sum of (gradient of logit) * normal
  Buffer<T> mixed_row;            // [row - part.first_row][head][value channel]
  Buffer<T> mixed_dot;            // [row - part.first_row][head]
  Buffer<T> tile_scale, tile_shift, normal, slope, incoming;
  Buffer<T> logit_gradient;       // [head][pair]
  T mean_logit[tile_pairs], mean_normal[tile_pairs], inverse[tile_pairs], centre[tile_pairs];

  BackwardPart(const Problem<T>& p, const Part& rows, const T* mixed_values, const T* attentions,
               const T* kept, const T* out_mixed, const T* out_fresh, T* out_interactions,
               Vec<T>* out_own)
      : problem(p),
        layout(p.layout),
        mixed(mixed_values),
        attention(attentions),
        saved(kept),
        grad_mixed(out_mixed),
        grad_fresh(out_fresh),
        grad_interactions(out_interactions),
        grad_own(out_own),
        part(rows),
        tile(p.layout) {
    const int64_t Cp = layout.padded_channels(), H = layout.heads, L = layout.L;
    const int64_t count = part.last_row - part.first_row;
    const int64_t most = std::max<int64_t>(tile_pairs, std::max(layout.vectors[1], layout.vectors[2]));
    grad_other = Buffer<T>((part.last_column - part.first_column) * Cp);
    grad_weight = Buffer<T>(Cp * layout.padded_inputs());
    for (Buffer<T>* b : {&grad_scale, &grad_shift, &tile_scale, &tile_shift}) *b = Buffer<T>(Cp);
    grad_logit = Buffer<T>(H * layout.vectors[0] * L);
    mixed_row = Buffer<T>(count * H * layout.vectors[1] * L);
    mixed_dot = Buffer<T>(count * H);
    for (Buffer<T>* b : {&normal, &slope, &incoming}) *b = Buffer<T>(most * L);
    logit_gradient = Buffer<T>(H * tile_pairs);
  }

  void run() {
    prepare();
    const int64_t end = problem.offsets[part.last_row];
    int64_t current = part.first_row;
    for (int64_t start = problem.offsets[part.first_row]; start < end; start += tile_pairs) {
      tile.fill(start, end, problem.interactions, problem.offsets, problem.columns, current);
      project(tile, problem.weights.forward.vectors(), problem.own.vectors(),
              problem.other.vectors());
      std::fill_n(tile_scale.get(), layout.padded_channels(), T(0));
      std::fill_n(tile_shift.get(), layout.padded_channels(), T(0));
      for (int p = 0; p < tile_pairs; ++p) p < tile.count ? pair(p) : silence(p);
      for (int64_t v = layout.first[1]; v < layout.total; ++v) {
        grad_scale.vectors()[v] += tile_scale.vectors()[v];
        grad_shift.vectors()[v] += tile_shift.vectors()[v];
      }
      for (int64_t v = 0; v < layout.vectors[0]; ++v) hidden(v);
      inputs_gradient(tile, problem.weights.backward.vectors(), grad_interactions);
      weight_gradient(tile, grad_weight.vectors());
      scatter();
    }
  }

 private:
  // Zeroes the sums and lays out the gradient of the mixed values by head.
  void prepare() {
    const int64_t Cp = layout.padded_channels(), H = layout.heads, E = layout.widths[1];
    const int64_t Ep = layout.vectors[1] * layout.L, count = part.last_row - part.first_row;
    std::fill_n(grad_other.get(), (part.last_column - part.first_column) * Cp, T(0));
    std::fill_n(grad_own + part.first_row * layout.total, count * layout.total, Vec<T>{});
    std::fill_n(grad_weight.get(), Cp * layout.padded_inputs(), T(0));
    std::fill_n(grad_scale.get(), Cp, T(0));
    std::fill_n(grad_shift.get(), Cp, T(0));
    std::fill_n(grad_logit.get(), H * layout.vectors[0] * layout.L, T(0));
    std::fill_n(mixed_row.get(), count * H * Ep, T(0));
    std::fill_n(mixed_dot.get(), count * H, T(0));
    for (int64_t r = 0; r < count; ++r) {
      const int64_t from = (part.first_row + r) * E * H;
      for (int64_t e = 0; e < E; ++e)
        for (int64_t h = 0; h < H; ++h) {
          const T gradient = grad_mixed[from + e * H + h];
          mixed_row.get()[(r * H + h) * Ep + e] = gradient;
          mixed_dot.get()[r * H + h] += gradient * mixed[from + e * H + h];
        }
    }
  }

  // A pair past the end of the tile adds nothing.
  void silence(int p) {
    for (int64_t v = layout.first[1]; v < layout.total; ++v) tile.panel(v)[p] = Vec<T>{};
    for (int64_t h = 0; h < layout.heads; ++h) logit_gradient.get()[h * tile_pairs + p] = 0;
    mean_logit[p] = mean_normal[p] = inverse[p] = centre[p] = 0;
  }

  void pair(int p) {
    const int64_t index = tile.begin + p, H = layout.heads, vectors = layout.vectors[1];
    const int64_t r = tile.row[p] - part.first_row;
    const T *kept = saved + index * problem.saved_width(), *share = attention + index * H;
    const Vec<T>* gradient = mixed_row.vectors() + r * H * vectors;
    const Vec<T>* scale = problem.weights.scale.vectors() + layout.first[1];
    const Vec<T>* shift = problem.weights.shift.vectors() + layout.first[1];
    Vec<T>* in = incoming.vectors();
    restore(1, p, kept + 2);
    T by_mean = 0, by_normal = 0;
    for (int64_t v = 0; v < vectors; ++v) in[v] = Vec<T>{};
    for (int64_t h = 0; h < H; ++h) {
      Vec<T> dot = {};
      for (int64_t v = 0; v < vectors; ++v) {
        in[v] += share[h] * gradient[h * vectors + v];
        dot += (normal.vectors()[v] * scale[v] + shift[v]) * gradient[h * vectors + v];
      }
      const T d = share[h] * (total<T>(dot) - mixed_dot.get()[r * H + h]);
      logit_gradient.get()[h * tile_pairs + p] = d;
      by_mean += d * problem.weights.logit_mean[h];
      by_normal += d * kept[6 + h];
    }
    inverse[p] = kept[1];
    centre[p] = -kept[0] * kept[1];
    mean_logit[p] = by_mean;
    mean_normal[p] = by_normal / T(layout.widths[0]);
    norm_gradient(1, p, kept[3]);
    if (!layout.widths[2]) return;
    restore(2, p, kept + 4);
    in[layout.vectors[2] - 1] = Vec<T>{};
    std::memcpy(incoming.get(), grad_fresh + index * layout.widths[2],
                layout.widths[2] * sizeof(T));
    norm_gradient(2, p, kept[5]);
  }

  // Normalised activations of network n, and the slope of Mish.
  INLINE void restore(int n, int p, const T* moments) {
    const Vec<T>* z = tile.panel(layout.first[n]) + p;
    for (int64_t v = 0; v < layout.vectors[n]; ++v) {
      const Mish<T> mish = Mish<T>::of(z[v * tile_pairs]);
      normal.vectors()[v] = (mish.value - moments[0]) * moments[1];
      slope.vectors()[v] = mish.slope;
    }
  }

  // From the gradient of the norm's output (`incoming`) to that of the pre-activations, into z.
  INLINE void norm_gradient(int n, int p, T deviation) {
    const int64_t vectors = layout.vectors[n];
    const Vec<T>* scale = problem.weights.scale.vectors() + layout.first[n];
    Vec<T>* scales = tile_scale.vectors() + layout.first[n];
    Vec<T>* shifts = tile_shift.vectors() + layout.first[n];
    Vec<T>*in = incoming.vectors(), *x = normal.vectors();
    Vec<T> sum = {}, dot = {};
    for (int64_t v = 0; v < vectors; ++v) {
      scales[v] += in[v] * x[v];
      shifts[v] += in[v];
      in[v] *= scale[v];
      sum += in[v];
      dot += in[v] * x[v];
    }
    const T mean = total<T>(sum) / T(layout.widths[n]), along = total<T>(dot) / T(layout.widths[n]);
    Vec<T>* z = tile.panel(layout.first[n]) + p;
    for (int64_t v = 0; v < vectors; ++v)
      z[v * tile_pairs] = slope.vectors()[v] * ((in[v] - mean - x[v] * along) * deviation);
  }

  // The hidden network: its incoming gradient is a sum over heads of logit_gradient * logit weight.
  void hidden(int64_t v) {
    Vec<T>*z = tile.panel(v), *x = normal.vectors(), *to = incoming.vectors();
    for (int p = 0; p < tile_pairs; ++p) {
      const Mish<T> mish = Mish<T>::of(z[p]);
      x[p] = mish.value * inverse[p] + centre[p];
      slope.vectors()[p] = mish.slope * inverse[p];
      to[p] = -(x[p] * mean_normal[p] + mean_logit[p]);
    }
    in_blocks<head_chunk>(layout.heads, [&]<int H>(int64_t h) {
      Vec<T> weight[H], sum[H] = {};
      const T* gradient = logit_gradient.get() + h * tile_pairs;
      for (int i = 0; i < H; ++i)
        weight[i] = problem.weights.logit.vectors()[(h + i) * layout.vectors[0] + v];
      for (int p = 0; p < tile_pairs; ++p) {
#pragma GCC unroll 4
        for (int i = 0; i < H; ++i) {
          sum[i] += gradient[i * tile_pairs + p] * x[p];
          to[p] += gradient[i * tile_pairs + p] * weight[i];
        }
      }
      for (int i = 0; i < H; ++i) grad_logit.vectors()[(h + i) * layout.vectors[0] + v] += sum[i];
    });
    for (int p = 0; p < tile_pairs; ++p) z[p] = slope.vectors()[p] * to[p];
  }

  // Adds the gradient of the pre-activations to both sites of each pair.
  void scatter() {
    const int64_t N = layout.total;
    for (int p = 0; p < tile.count;) {
      int end = p + 1;
      while (end < tile.count && tile.row[end] == tile.row[p]) ++end;
      for (int64_t v = 0; v < N; ++v) {
        Vec<T> sum = {};
        for (int i = p; i < end; ++i) sum += tile.panel(v)[i];
        grad_own[tile.row[p] * N + v] += sum;
      }
      p = end;
    }
    for (int p = 0; p < tile.count; ++p) {
      Vec<T>* to = grad_other.vectors() + (tile.column[p] - part.first_column) * N;
      for (int64_t v = 0; v < N; ++v) to[v] += tile.panel(v)[p];
    }
  }
};

template <class T>
struct Gradients {
  T *project_i, *project_j, *interactions, *weight, *norm_weight, *norm_bias, *logit_weight;
};

// Sums the parts in their order.
template <class T>
void collect_weights(const Problem<T>& problem, const std::vector<BackwardPart<T>>& parts,
                     const T* logit_weight, const T* norm_weight, const Gradients<T>& out) {
  const Layout<T>& l = problem.layout;
  const int64_t L = l.L, K = l.inputs, Kp = l.padded_inputs(), hidden = l.widths[0];
  int64_t c = 0;
  for (int n = 0; n < 3; ++n)
    for (int64_t i = 0; i < l.widths[n]; ++i, ++c) {
      const int64_t channel = l.first[n] * L + i;
      T scale = 0, shift = 0;
      for (int64_t k = 0; k < K; ++k) {
        T sum = 0;
        for (const auto& part : parts)
          sum += part.grad_weight.get()[(channel / L * Kp + k) * L + channel % L];
        out.weight[c * K + k] = sum;
      }
      for (const auto& part : parts) {
        scale += part.grad_scale.get()[channel];
        shift += part.grad_shift.get()[channel];
      }
      for (int64_t h = 0; n == 0 && h < l.heads; ++h) {
        T sum = 0;
        for (const auto& part : parts) sum += part.grad_logit.get()[h * l.vectors[0] * L + i];
        out.logit_weight[h * hidden + i] = sum * norm_weight[i];
        scale += sum * logit_weight[h * hidden + i];
      }
      out.norm_weight[c] = scale;
      out.norm_bias[c] = shift;  // zero for the hidden network: it shifts all logits of a row alike
    }
}

template <class T>
void collect_sites(const Problem<T>& problem, const std::vector<BackwardPart<T>>& parts,
                   const Buffer<T>& own, const Gradients<T>& out) {
  const Layout<T>& l = problem.layout;
  const int64_t C = l.channels(), Cp = l.padded_channels();
#pragma omp parallel for num_threads(int(parts.size())) schedule(static)
  for (int64_t r = 0; r < l.rows; ++r) {
    Vec<T> sum[l.total];
    std::fill_n(sum, l.total, Vec<T>{});
    for (const auto& part : parts) {
      if (r < part.part.first_column || r >= part.part.last_column) continue;
      const Vec<T>* from = part.grad_other.vectors() + (r - part.part.first_column) * l.total;
      for (int64_t v = 0; v < l.total; ++v) sum[v] += from[v];
    }
    l.unpad(out.project_i + r * C, own.get() + r * Cp);
    l.unpad(out.project_j + r * C, reinterpret_cast<const T*>(sum));
  }
}

enum Status { done = 0, bad_pairs = 1, out_of_memory = 2 };

template <class T>
int forward(const Sizes& sizes, int threads, const T* project_i, const T* project_j,
            const T* interactions, const T* weight, const T* norm_weight, const T* norm_bias,
            const T* logit_weight, const int64_t* offsets, const int64_t* columns,
            const T* log_count, T* mixed, T* fresh, T* attention, T* saved) try {
  if (!valid(sizes, offsets, columns)) return bad_pairs;
  const Problem<T> problem(sizes, threads, project_i, project_j, interactions, weight, norm_weight,
                           norm_bias, logit_weight, offsets, columns);
  std::vector<ForwardPart<T>> parts;
  parts.reserve(threads);
  for (const Part& part : problem.parts)
    parts.emplace_back(problem, part, log_count, mixed, fresh, attention, saved);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int t = 0; t < threads; ++t) parts[t].run(problem.parts[t]);
  return done;
} catch (const std::bad_alloc&) {
  return out_of_memory;
}

template <class T>
int backward(const Sizes& sizes, int threads, const T* project_i, const T* project_j,
             const T* interactions, const T* weight, const T* norm_weight, const T* norm_bias,
             const T* logit_weight, const int64_t* offsets, const int64_t* columns,
             const T* mixed, const T* attention, const T* saved, const T* grad_mixed,
             const T* grad_fresh, const Gradients<T>& out) try {
  if (!valid(sizes, offsets, columns)) return bad_pairs;
  const Problem<T> problem(sizes, threads, project_i, project_j, interactions, weight, norm_weight,
                           norm_bias, logit_weight, offsets, columns);
  const Buffer<T> own(sizes.rows * problem.layout.padded_channels());
  std::vector<BackwardPart<T>> parts;
  parts.reserve(threads);
  for (const Part& part : problem.parts)
    parts.emplace_back(problem, part, mixed, attention, saved, grad_mixed, grad_fresh,
                       out.interactions, own.vectors());
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int t = 0; t < threads; ++t) parts[t].run();
  collect_weights(problem, parts, logit_weight, norm_weight, out);
  collect_sites(problem, parts, own, out);
  return done;
} catch (const std::bad_alloc&) {
  return out_of_memory;
}

}  // namespace

#define EXPORT(T, NAME)                                                                          \
  extern "C" int forward_##NAME(                                                                 \
      const Sizes* sizes, int threads, const T* project_i, const T* project_j,                   \
      const T* interactions, const T* weight, const T* norm_weight, const T* norm_bias,          \
      const T* logit_weight, const int64_t* offsets, const int64_t* columns, const T* log_count, \
      T* mixed, T* fresh, T* attention, T* saved) {                                              \
    return forward<T>(*sizes, threads, project_i, project_j, interactions, weight, norm_weight,  \
                      norm_bias, logit_weight, offsets, columns, log_count, mixed, fresh,        \
                      attention, saved);                                                         \
  }                                                                                              \
  extern "C" int backward_##NAME(                                                                \
      const Sizes* sizes, int threads, const T* project_i, const T* project_j,                   \
      const T* interactions, const T* weight, const T* norm_weight, const T* norm_bias,          \
      const T* logit_weight, const int64_t* offsets, const int64_t* columns, const T* mixed,     \
      const T* attention, const T* saved, const T* grad_mixed, const T* grad_fresh,              \
      T* grad_project_i, T* grad_project_j, T* grad_interactions, T* grad_weight,                \
      T* grad_norm_weight, T* grad_norm_bias, T* grad_logit_weight) {                            \
    return backward<T>(*sizes, threads, project_i, project_j, interactions, weight, norm_weight, \
                       norm_bias, logit_weight, offsets, columns, mixed, attention, saved,       \
                       grad_mixed, grad_fresh,                                                   \
                       {grad_project_i, grad_project_j, grad_interactions, grad_weight,          \
                        grad_norm_weight, grad_norm_bias, grad_logit_weight});                   \
  }

EXPORT(float, float32)
EXPORT(double, float64)
