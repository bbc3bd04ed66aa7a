// The pairwise attention block of sitenet/model/pair_block.py and its gradient, on CPU.
//
// Pairs pass in tiles that stay in cache; nothing of size pairs x channels is ever stored. Forward
// keeps per pair the attention, the norms' means and inverse deviations and the raw logits; the
// backward pass computes the rest again. Work is cut into contiguous runs of rows, one per thread,
// whose sums are added in a fixed order: results do not change from run to run.
#include "backward.h"
#include "forward.h"

namespace {

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

template <class T>
void collect_sources(const Sizes& s, const std::vector<BackwardPart<T>>& parts, T* out) {
  std::fill_n(out, s.sources * s.inputs, T(0));
  for (const auto& part : parts)
    for (int64_t i = part.part.first_source * s.inputs; i < part.part.last_source * s.inputs; ++i)
      out[i] += part.of_sources()[i];
}

enum Status { done = 0, bad_pairs = 1, out_of_memory = 2 };

template <class T>
int forward(const Sizes& sizes, int threads, const T* project_i, const T* project_j,
            const T* interactions, const T* weight, const T* norm_weight, const T* norm_bias,
            const T* logit_weight, const int64_t* offsets, const int64_t* columns,
            const int64_t* sources, const T* log_count, const ForwardResults<T>& results) try {
  if (!valid(sizes, offsets, columns, sources)) return bad_pairs;
  const Problem<T> problem(sizes, threads, project_i, project_j, interactions, weight, norm_weight,
                           norm_bias, logit_weight, offsets, columns, sources);
  std::vector<ForwardPart<T>> parts;
  parts.reserve(threads);
  for (const Part& part : problem.parts)
    parts.emplace_back(problem, part, log_count, results);
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
             const int64_t* sources, const BackwardInputs<T>& inputs, const Gradients<T>& out) try {
  if (!valid(sizes, offsets, columns, sources)) return bad_pairs;
  const Problem<T> problem(sizes, threads, project_i, project_j, interactions, weight, norm_weight,
                           norm_bias, logit_weight, offsets, columns, sources);
  const Buffer<T> own(sizes.rows * problem.layout.padded_channels());
  std::vector<BackwardPart<T>> parts;
  parts.reserve(threads);
  for (const Part& part : problem.parts)
    parts.emplace_back(problem, part, inputs, out.interactions, own.vectors());
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int t = 0; t < threads; ++t) parts[t].run();
  collect_weights(problem, parts, logit_weight, norm_weight, out);
  collect_sites(problem, parts, own, out);
  if (sources) collect_sources(sizes, parts, out.interactions);
  return done;
} catch (const std::bad_alloc&) {
  return out_of_memory;
}

}  // namespace

#define EXPORT(T, NAME)                                                                          \
  extern "C" int forward_##NAME(                                                                 \
      const Sizes* sizes, int threads, const T* project_i, const T* project_j,                   \
      const T* interactions, const T* weight, const T* norm_weight, const T* norm_bias,          \
      const T* logit_weight, const int64_t* offsets, const int64_t* columns,                     \
      const int64_t* sources, const T* log_count, T* mixed, T* fresh, T* attention, T* saved) {  \
    return forward<T>(*sizes, threads, project_i, project_j, interactions, weight, norm_weight,  \
                      norm_bias, logit_weight, offsets, columns, sources, log_count,             \
                      {mixed, fresh, attention, saved});                                         \
  }                                                                                              \
  extern "C" int backward_##NAME(                                                                \
      const Sizes* sizes, int threads, const T* project_i, const T* project_j,                   \
      const T* interactions, const T* weight, const T* norm_weight, const T* norm_bias,          \
      const T* logit_weight, const int64_t* offsets, const int64_t* columns,                     \
      const int64_t* sources, const T* mixed, const T* attention, const T* saved,                \
      const T* grad_mixed, const T* grad_fresh,                                                  \
      T* grad_project_i, T* grad_project_j, T* grad_interactions, T* grad_weight,                \
      T* grad_norm_weight, T* grad_norm_bias, T* grad_logit_weight) {                            \
    return backward<T>(*sizes, threads, project_i, project_j, interactions, weight, norm_weight, \
                       norm_bias, logit_weight, offsets, columns, sources,                       \
                       {mixed, attention, saved, grad_mixed, grad_fresh},                        \
                       {grad_project_i, grad_project_j, grad_interactions, grad_weight,          \
                        grad_norm_weight, grad_norm_bias, grad_logit_weight});                   \
  }

EXPORT(float, float32)
EXPORT(double, float64)
