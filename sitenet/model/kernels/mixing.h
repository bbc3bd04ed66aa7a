// Softmax over the pairs of each row and the mixing of their values, and the gradient of both.
#pragma once

#include <cmath>
#include <limits>

#include "problem.h"

// The pairs of each row, and the evaluation of the networks that each has (null: its own).
struct PairList {
  const int64_t *offsets, *of_pair;
  int64_t of(int64_t pair) const { return of_pair ? of_pair[pair] : pair; }
};

inline bool valid(const Sizes& s, const PairList& pairs) {
  bool good = pairs.offsets[0] == 0 && pairs.offsets[s.rows] == s.pairs;
  for (int64_t r = 0; r < s.rows; ++r) good &= pairs.offsets[r] <= pairs.offsets[r + 1];
  return good && (pairs.of_pair ? within(pairs.of_pair, s.pairs, s.evaluations)
                                   : s.evaluations == s.pairs);
}

// A contiguous run of rows, and the evaluations that their pairs name.
struct RowPart {
  Span rows, evaluations;
};

inline std::vector<RowPart> cut_rows(const Sizes& s, const PairList& pairs, int count) {
  std::vector<RowPart> parts(count);
  int64_t row = 0;
  for (int t = 0; t < count; ++t) {
    const int64_t* offsets = pairs.offsets;
    const int64_t target = s.pairs * (t + 1) / count;
    const int64_t end =
        t + 1 == count ? s.rows
                       : std::lower_bound(offsets + row, offsets + s.rows, target) - offsets;
    const Span own{offsets[row], offsets[end]};
    const int64_t* named = pairs.of_pair;
    parts[t] = {{row, end}, named ? span(named + own.first, named + own.last) : own};
    row = end;
  }
  return parts;
}

template <class T>
struct MixingResults {
  T *mixed;      // [row][value channel][head]
  T *attention;  // [pair][head]
};

template <class T>
struct Mixing {
  using V = Vec<T>;
  const Layout<T>& layout;
  const PairList& pairs;
  const T *log_count, *logits;  // [pair], [head][evaluation]
  const V* values;              // [evaluation][value_stride vectors]
  MixingResults<T> out;
  Buffer<T> softmax, sums;  // one row: [pair], [value channel]

  Mixing(const Layout<T>& l, const PairList& list, const Span& rows, const T* log_counts,
         const T* of_logits, const T* of_values, const MixingResults<T>& results)
      : layout(l),
        pairs(list),
        log_count(log_counts),
        logits(of_logits),
        values(reinterpret_cast<const V*>(of_values)),
        out(results) {
    int64_t longest = 0;
    for (int64_t r = rows.first; r < rows.last; ++r)
      longest = std::max(longest, pairs.offsets[r + 1] - pairs.offsets[r]);
    softmax = Buffer<T>(longest + layout.L);
    sums = Buffer<T>(layout.vectors[1] * layout.L);
  }

  void run(const Span& rows) {
    for (int64_t r = rows.first; r < rows.last; ++r) mix(r);
  }

 private:
  void mix(int64_t r) {
    const int64_t begin = pairs.offsets[r], count = pairs.offsets[r + 1] - begin;
    const int64_t H = layout.heads, width = layout.widths[1], stride = layout.value_stride();
    T* weight = softmax.get();
    for (int64_t h = 0; h < H; ++h) {
      const T* logit = logits + h * layout.evaluations;
      for (int64_t p = 0; p < count; ++p)
        weight[p] = logit[pairs.of(begin + p)] + log_count[begin + p];
      weigh(count);
      for (int64_t p = 0; p < count; ++p) out.attention[(begin + p) * H + h] = weight[p];
      for (int64_t v = 0; v < layout.vectors[1]; ++v) {
        V even = {}, odd = {};
        int64_t p = 0;
        for (; p + 1 < count; p += 2) {
          even += weight[p] * values[pairs.of(begin + p) * stride + v];
          odd += weight[p + 1] * values[pairs.of(begin + p + 1) * stride + v];
        }
        if (p < count) even += weight[p] * values[pairs.of(begin + p) * stride + v];
        sums.vectors()[v] = even + odd;
      }
      for (int64_t e = 0; e < width; ++e) out.mixed[(r * width + e) * H + h] = sums.get()[e];
    }
  }

  // Softmax of the first `count` numbers. A row with nothing but masked pairs gives NaN (0 / 0).
  void weigh(int64_t count) {
    const int64_t vectors = (count + layout.L - 1) / layout.L;
    V* weight = softmax.vectors();
    constexpr T infinity = std::numeric_limits<T>::infinity();
    std::fill(softmax.get() + count, softmax.get() + vectors * layout.L, -infinity);
    V top = splat<T>(-infinity);
    for (int64_t v = 0; v < vectors; ++v) top = weight[v] > top ? weight[v] : top;
    T highest = -infinity;
    for (int64_t lane = 0; lane < layout.L; ++lane) highest = std::max(highest, top[lane]);
    if (highest == -infinity) highest = 0;
    V sum = {};
    for (int64_t v = 0; v < vectors; ++v) {
      const V x = weight[v] - highest;
      V e[1] = {at_least<T>(x, Real<T>::lowest)};
      exponentials<T, 1>(e);
      sum += weight[v] = x < Real<T>::lowest ? V{} : e[0];
    }
    const T inverse_sum = T(1) / total<T>(sum);
    for (int64_t v = 0; v < vectors; ++v) weight[v] *= inverse_sum;
  }
};

template <class T>
struct MixingInputs {
  const T *mixed, *attention, *values;  // as forward gave them
  const T* grad_mixed;
};

// Gradients of evaluations [first, first + count): of the logits [head][evaluation] and of the
// values [evaluation][value vectors].
template <class T>
struct EvaluationGradients {
  Span evaluations;
  Buffer<T> logits, values;

  EvaluationGradients(const Layout<T>& l, const Span& span)
      : evaluations(span),
        logits(l.heads * span.size()),
        values(span.size() * l.vectors[1] * l.L) {}
  T* of_logits(int64_t head) const {
    return logits.get() + head * evaluations.size() - evaluations.first;
  }
  Vec<T>* of_values(const Layout<T>& l) const {
    return values.vectors() - evaluations.first * l.vectors[1];
  }
};

// Adds up the gradients of one part's rows. Values: X_h = sum of a_h v gives dv = sum of a_h dX_h
// and dlogit_h = a_h dX_h . (v - X_h).
template <class T>
struct MixingBackward {
  using V = Vec<T>;
  const Layout<T>& layout;
  const PairList& pairs;
  MixingInputs<T> in;
  const EvaluationGradients<T>& out;
  Buffer<T> row_gradient;  // of the mixed values of one row: [head][value channel]

  MixingBackward(const Layout<T>& l, const PairList& list, const MixingInputs<T>& inputs,
                 const EvaluationGradients<T>& gradients)
      : layout(l),
        pairs(list),
        in(inputs),
        out(gradients),
        row_gradient(l.heads * l.vectors[1] * l.L) {
    std::fill_n(row_gradient.get(), l.heads * l.vectors[1] * l.L, T(0));
  }

  void run(const RowPart& part) {
    // A part names all evaluations of its own range, or adds to those that it names.
    const int64_t count = part.evaluations.size(), first = part.evaluations.first;
    for (int64_t h = 0; h < layout.heads; ++h)
      std::fill_n(out.of_logits(h) + first, count, T(0));
    std::fill_n(out.of_values(layout) + first * layout.vectors[1], count * layout.vectors[1], V{});
    for (int64_t r = part.rows.first; r < part.rows.last; ++r)
      for (int64_t h = 0; h < layout.heads; ++h) add(r, h, lay_out(r, h));
  }

 private:
  // The gradient of the row's mixed values, as vectors; returns its product with these values.
  T lay_out(int64_t r, int64_t h) {
    const int64_t E = layout.widths[1], H = layout.heads;
    T* to = row_gradient.get() + h * layout.vectors[1] * layout.L;
    T dot = 0;
    for (int64_t e = 0; e < E; ++e) {
      to[e] = in.grad_mixed[(r * E + e) * H + h];
      dot += to[e] * in.mixed[(r * E + e) * H + h];
    }
    return dot;
  }

  void add(int64_t r, int64_t h, T row_dot) {
    const int64_t vectors = layout.vectors[1], stride = layout.value_stride(), H = layout.heads;
    const V* gradient = row_gradient.vectors() + h * vectors;
    const V* values = reinterpret_cast<const V*>(in.values);
    T* of_logits = out.of_logits(h);
    V* of_values = out.of_values(layout);
    const int64_t end = pairs.offsets[r + 1];
    for (int64_t begin = pairs.offsets[r]; begin < end; begin += lanes<T>) {
      const int64_t count = std::min<int64_t>(lanes<T>, end - begin);
      V dots[lanes<T>] = {};
      for (int64_t p = 0; p < count; ++p) {
        const int64_t e = pairs.of(begin + p);
        const T share = in.attention[(begin + p) * H + h];
        for (int64_t v = 0; v < vectors; ++v) {
          dots[p] += values[e * stride + v] * gradient[v];
          of_values[e * vectors + v] += share * gradient[v];
        }
      }
      const V dot = totals<T>(dots) - row_dot;
      for (int64_t p = 0; p < count; ++p)
        of_logits[pairs.of(begin + p)] += in.attention[(begin + p) * H + h] * dot[p];
    }
  }
};
