// The pairwise attention block of sitenet/model/pair_block.py and its gradient, on CPU.
//
// The networks are evaluated for each pair, or once for all pairs of a type, in tiles that stay in
// cache; nothing of size evaluations x channels is ever stored. Forward keeps of each evaluation
// the values, the norms' means and inverse deviations and the raw logits, and the attention of each
// pair; the backward pass computes the rest again. Work is cut into contiguous runs, one per
// thread, whose sums are added in a fixed order: results do not change from run to run.
#include "backward.h"
#include "forward.h"

namespace {

// The structures that Python passes, of pointers to contiguous tensors: `Inputs<const T>` the
// tensors that have a gradient, `Inputs<T>` their gradients.
template <class T>
struct Inputs {
  T *project_i, *project_j, *interactions, *weight, *norm_weight, *norm_bias, *logit_weight;
};

struct Indices {
  Evaluations of;
  PairList pairs;
};

// `values` and `saved` are what the backward pass needs besides.
template <class T>
struct Results {
  T *mixed, *fresh, *attention, *values, *saved;
};

// Sums the parts in their order.
template <class T>
void collect_weights(const Problem<T>& problem, const std::vector<NetworksBackward<T>>& parts,
                     const T* logit_weight, const T* norm_weight, const Inputs<T>& out) {
  const Layout<T>& l = problem.layout;
  const int64_t L = l.L, hidden = l.widths[0];
  std::vector<const T*> weights;
  for (const auto& part : parts) weights.push_back(part.grad_weight.get());
  l.unpack(out.weight, weights);
  int64_t c = 0;
  for (int n = 0; n < 3; ++n)
    for (int64_t i = 0; i < l.widths[n]; ++i, ++c) {
      const int64_t channel = l.first[n] * L + i;
      T scale = 0, shift = 0;
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

// The sums of all parts for row r of own or other sites.
template <class T>
void collect_row(const Layout<T>& l, const std::vector<NetworksBackward<T>>& parts,
                 Buffer<T> NetworksBackward<T>::*buffer, Span Part::*rows, int64_t r, T* out) {
  Vec<T> sum[l.total];
  std::fill_n(sum, l.total, Vec<T>{});
  for (const auto& part : parts) {
    const Span& span = part.part.*rows;
    if (r < span.first || r >= span.last) continue;
    const Vec<T>* from = (part.*buffer).vectors() + (r - span.first) * l.total;
    for (int64_t v = 0; v < l.total; ++v) sum[v] += from[v];
  }
  l.unpad(out + r * l.channels(), reinterpret_cast<const T*>(sum));
}

template <class T>
void collect_sites(const Layout<T>& l, const std::vector<NetworksBackward<T>>& parts,
                   const Inputs<T>& out) {
  using Networks = NetworksBackward<T>;
#pragma omp parallel for num_threads(int(parts.size())) schedule(static)
  for (int64_t r = 0; r < l.rows; ++r) {
    collect_row(l, parts, &Networks::grad_own, &Part::rows, r, out.project_i);
    collect_row(l, parts, &Networks::grad_other, &Part::columns, r, out.project_j);
  }
}

template <class T>
void collect_sources(const Sizes& s, const std::vector<NetworksBackward<T>>& parts, T* out) {
  std::fill_n(out, s.sources * s.inputs, T(0));
  for (const auto& part : parts)
    for (int64_t i = part.part.sources.first * s.inputs; i < part.part.sources.last * s.inputs; ++i)
      out[i] += part.of_sources()[i];
}

template <class T>
void add_up(const Layout<T>& l, const std::vector<EvaluationGradients<T>>& sums, int threads,
            const EvaluationGradients<T>& all) {
  const int64_t vectors = l.vectors[1];
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int64_t e = 0; e < l.evaluations; ++e) {
    Vec<T>* values = all.of_values(l) + e * vectors;
    std::fill_n(values, vectors, Vec<T>{});
    for (int64_t h = 0; h < l.heads; ++h) all.of_logits(h)[e] = 0;
    for (const auto& part : sums) {
      if (e < part.evaluations.first || e >= part.evaluations.last) continue;
      for (int64_t v = 0; v < vectors; ++v) values[v] += part.of_values(l)[e * vectors + v];
      for (int64_t h = 0; h < l.heads; ++h) all.of_logits(h)[e] += part.of_logits(h)[e];
    }
  }
}

// Gradients of logits and values of all evaluations. Where pairs share evaluations, each part has
// sums of its own, which are added; else each pair is in one part, which writes where it belongs.
template <class T>
EvaluationGradients<T> mixing_gradients(const Layout<T>& l, const PairList& pairs, int threads,
                                        const MixingInputs<T>& inputs) {
  const std::vector<RowPart> rows = cut_rows(l, pairs, threads);
  EvaluationGradients<T> all(l, {0, l.evaluations});
  std::vector<EvaluationGradients<T>> sums;
  for (int t = 0; pairs.of_pair && t < threads; ++t) sums.emplace_back(l, rows[t].evaluations);
  std::vector<MixingBackward<T>> parts;
  parts.reserve(threads);
  for (int t = 0; t < threads; ++t)
    parts.emplace_back(l, pairs, inputs, pairs.of_pair ? sums[t] : all);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int t = 0; t < threads; ++t) parts[t].run(rows[t]);
  if (pairs.of_pair && threads == 1 && sums[0].evaluations.size() == l.evaluations)
    return std::move(sums[0]);
  if (pairs.of_pair) add_up(l, sums, threads, all);
  return all;
}

enum Status { done = 0, bad_pairs = 1, out_of_memory = 2 };

template <class T>
Problem<T> problem_of(const Sizes& sizes, int threads, const Inputs<const T>& in,
                      const Evaluations& of) {
  return {sizes,          threads,      in.project_i,    in.project_j, in.interactions,
          in.weight,      in.norm_weight, in.norm_bias,  in.logit_weight, of};
}

template <class T>
int forward(const Sizes& sizes, const Inputs<const T>& in, const Indices& index,
            const T* log_count, const Results<T>& out, int threads) try {
  if (!valid(sizes, index.of) || !valid(sizes, index.pairs)) return bad_pairs;
  const Problem<T> problem = problem_of(sizes, threads, in, index.of);
  const NetworkResults<T> networks{out.values, out.fresh, out.saved};
  std::vector<Networks<T>> parts;
  parts.reserve(threads);
  for (int t = 0; t < threads; ++t) parts.emplace_back(problem, networks);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int t = 0; t < threads; ++t) parts[t].run(problem.parts[t].evaluations);
  const std::vector<RowPart> rows = cut_rows(sizes, index.pairs, threads);
  const T* logits = out.saved + 6 * sizes.evaluations;
  std::vector<Mixing<T>> mixers;
  mixers.reserve(threads);
  for (const RowPart& part : rows)
    mixers.emplace_back(problem.layout, index.pairs, part.rows, log_count, logits, out.values,
                        MixingResults<T>{out.mixed, out.attention});
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int t = 0; t < threads; ++t) mixers[t].run(rows[t].rows);
  return done;
} catch (const std::bad_alloc&) {
  return out_of_memory;
}

template <class T>
int backward(const Sizes& sizes, const Inputs<const T>& in, const Indices& index,
             const Results<const T>& kept, const T* grad_mixed, const T* grad_fresh,
             const Inputs<T>& out, int threads) try {
  if (!valid(sizes, index.of) || !valid(sizes, index.pairs)) return bad_pairs;
  const Problem<T> problem = problem_of(sizes, threads, in, index.of);
  const MixingInputs<T> mixing{kept.mixed, kept.attention, kept.values, grad_mixed};
  const auto gradients = mixing_gradients<T>(problem.layout, index.pairs, threads, mixing);
  const NetworkInputs<T> inputs{kept.saved, grad_fresh, gradients};
  std::vector<NetworksBackward<T>> parts;
  parts.reserve(threads);
  for (const Part& part : problem.parts)
    parts.emplace_back(problem, part, inputs, out.interactions);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int t = 0; t < threads; ++t) parts[t].run();
  collect_weights(problem, parts, in.logit_weight, in.norm_weight, out);
  collect_sites(problem.layout, parts, out);
  if (index.of.source) collect_sources(sizes, parts, out.interactions);
  return done;
} catch (const std::bad_alloc&) {
  return out_of_memory;
}

}  // namespace

#define EXPORT(T, NAME)                                                                           \
  extern "C" int pair_block_forward_##NAME(const Sizes* sizes, const Inputs<const T>* in,         \
                                           const Indices* index, const T* log_count,              \
                                           const Results<T>* out, int threads) {                  \
    return forward<T>(*sizes, *in, *index, log_count, *out, threads);                             \
  }                                                                                               \
  extern "C" int pair_block_backward_##NAME(                                                      \
      const Sizes* sizes, const Inputs<const T>* in, const Indices* index,                        \
      const Results<const T>* kept, const T* grad_mixed, const T* grad_fresh,                     \
      const Inputs<T>* out, int threads) {                                                        \
    return backward<T>(*sizes, *in, *index, *kept, grad_mixed, grad_fresh, *out, threads);        \
  }

EXPORT(float, float32)
EXPORT(double, float64)
