// The plain twins of training: every operation forward and backward, for any floating type. Tests
// differentiate the forward forms numerically in double, and compare the fast float32 kernels with these.
//
// Notation: for a loss L and a value y, dy is dL/dy. Gradients of parameters are added to what is there
// (`+=`), those of activations overwrite.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>
#include <vector>

#include "kernels/causal_attention.h"

namespace refocus::reference {

template <class T>
struct Matrix {  // element (i, j) is data[i * row + j * column]
  T* data;
  std::int64_t row, column = 1;
  T& operator()(std::int64_t i, std::int64_t j) const { return data[i * row + j * column]; }
};

// c [m, n] = a [m, k] b [k, n], or c += a b. With it a linear layer y = x W^T has dx = dy W, dW += dy^T x.
template <class T>
void gemm(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<const T> a, Matrix<const T> b, Matrix<T> c,
          bool accumulate) {
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = accumulate ? c(i, j) : 0;
      for (std::int64_t p = 0; p < k; ++p) sum += static_cast<double>(a(i, p)) * b(p, j);
      c(i, j) = static_cast<T>(sum);
    }
  }
}

// A linear layer with an adapter beside it (LoRA, Hu et al. 2021): y = x W^T + s (x A^T) B^T, W fixed. With
// t = s x A^T and dt = s dy B:
//   dB += dy^T t;  dA += dt^T x;  dx = dy W + dt A.
template <class T>
struct LoraLinear {
  std::int64_t rows, inputs, outputs, rank;
  double scale;
  const T *w, *a, *b;  // [outputs, inputs], [rank, inputs], [outputs, rank]
};

template <class T>
void scale_all(std::vector<T>& values, double by) {
  for (T& v : values) v = static_cast<T>(v * by);
}

template <class T>
void lora_forward(const LoraLinear<T>& l, const T* x, T* y) {
  std::vector<T> t(static_cast<std::size_t>(l.rows * l.rank));
  gemm<T>(l.rows, l.rank, l.inputs, {x, l.inputs}, {l.a, 1, l.inputs}, {t.data(), l.rank}, false);
  scale_all(t, l.scale);
  gemm<T>(l.rows, l.outputs, l.inputs, {x, l.inputs}, {l.w, 1, l.inputs}, {y, l.outputs}, false);
  gemm<T>(l.rows, l.outputs, l.rank, {t.data(), l.rank}, {l.b, 1, l.rank}, {y, l.outputs}, true);
}

template <class T>
void lora_backward(const LoraLinear<T>& l, const T* x, const T* dy, T* dx, T* da, T* db) {
  std::vector<T> t(static_cast<std::size_t>(l.rows * l.rank)), dt(t.size());
  gemm<T>(l.rows, l.rank, l.inputs, {x, l.inputs}, {l.a, 1, l.inputs}, {t.data(), l.rank}, false);
  gemm<T>(l.rows, l.rank, l.outputs, {dy, l.outputs}, {l.b, l.rank}, {dt.data(), l.rank}, false);
  scale_all(t, l.scale);
  scale_all(dt, l.scale);
  gemm<T>(l.outputs, l.rank, l.rows, {dy, 1, l.outputs}, {t.data(), l.rank}, {db, l.rank}, true);
  gemm<T>(l.rank, l.inputs, l.rows, {dt.data(), 1, l.rank}, {x, l.inputs}, {da, l.inputs}, true);
  gemm<T>(l.rows, l.inputs, l.outputs, {dy, l.outputs}, {l.w, l.inputs}, {dx, l.inputs}, false);
  gemm<T>(l.rows, l.inputs, l.rank, {dt.data(), l.rank}, {l.a, l.inputs}, {dx, l.inputs}, true);
}

template <class T>
void embedding_forward(const T* table, std::span<const std::int32_t> tokens, std::int64_t size, T* x) {
  for (const std::int32_t token : tokens) {
    for (std::int64_t i = 0; i < size; ++i) *x++ = table[token * size + i];
  }
}

template <class T>
void embedding_backward(const T* dx, std::span<const std::int32_t> tokens, std::int64_t size, T* d_table) {
  for (const std::int32_t token : tokens) {
    for (std::int64_t i = 0; i < size; ++i) d_table[token * size + i] += *dx++;
  }
}

// y = r x * weight with r = 1 / sqrt(mean(x^2) + eps).
template <class T>
void rms_norm_forward(const T* x, const T* weight, std::int64_t size, double eps, T* y) {
  double squares = 0;
  for (std::int64_t i = 0; i < size; ++i) squares += static_cast<double>(x[i]) * x[i];
  const double r = 1 / std::sqrt(squares / static_cast<double>(size) + eps);
  for (std::int64_t i = 0; i < size; ++i) y[i] = static_cast<T>(x[i] * r * weight[i]);
}

// dx_i = r (weight_i dy_i - x_i r^2 mean_j(x_j weight_j dy_j)) and d_weight_i += dy_i x_i r, since
// dr/dx_i = -r^3 x_i / size.
template <class T>
void rms_norm_backward(const T* x, const T* weight, const T* dy, std::int64_t size, double eps, T* dx,
                       T* d_weight) {
  double squares = 0, dot = 0;
  for (std::int64_t i = 0; i < size; ++i) {
    squares += static_cast<double>(x[i]) * x[i];
    dot += static_cast<double>(x[i]) * weight[i] * dy[i];
  }
  const double r = 1 / std::sqrt(squares / static_cast<double>(size) + eps);
  const double along = r * r * dot / static_cast<double>(size);
  for (std::int64_t i = 0; i < size; ++i) {
    d_weight[i] += static_cast<T>(dy[i] * x[i] * r);
    dx[i] = static_cast<T>(r * (static_cast<double>(weight[i]) * dy[i] - x[i] * along));
  }
}

// Pairs (d, d + head_dim / 2) turned by their angles. The backward pass turns by the negative ones, since the
// transpose of a rotation is its inverse.
template <class T>
void rope_forward(T* x, std::int64_t heads, std::int64_t head_dim, const T* cosines, const T* sines) {
  const std::int64_t half = head_dim / 2;
  for (std::int64_t h = 0; h < heads; ++h, x += head_dim) {
    for (std::int64_t d = 0; d < half; ++d) {
      const double a = x[d], b = x[d + half];
      x[d] = static_cast<T>(a * cosines[d] - b * sines[d]);
      x[d + half] = static_cast<T>(b * cosines[d] + a * sines[d]);
    }
  }
}

template <class T>
void rope_backward(T* dx, std::int64_t heads, std::int64_t head_dim, const T* cosines, const T* sines) {
  const std::int64_t half = head_dim / 2;
  for (std::int64_t h = 0; h < heads; ++h, dx += head_dim) {
    for (std::int64_t d = 0; d < half; ++d) {
      const double a = dx[d], b = dx[d + half];
      dx[d] = static_cast<T>(a * cosines[d] + b * sines[d]);
      dx[d + half] = static_cast<T>(b * cosines[d] - a * sines[d]);
    }
  }
}

// y = silu(gate) up with silu(g) = g s(g), s the logistic function; silu'(g) = s (1 + g (1 - s)).
template <class T>
void swiglu_forward(const T* gate, const T* up, std::int64_t size, T* y) {
  for (std::int64_t i = 0; i < size; ++i) {
    const double g = gate[i];
    y[i] = static_cast<T>(g / (1 + std::exp(-g)) * up[i]);
  }
}

template <class T>
void swiglu_backward(const T* gate, const T* up, const T* dy, std::int64_t size, T* d_gate, T* d_up) {
  for (std::int64_t i = 0; i < size; ++i) {
    const double g = gate[i], s = 1 / (1 + std::exp(-g)), d = dy[i], u = up[i];
    d_gate[i] = static_cast<T>(d * u * s * (1 + g * (1 - s)));
    d_up[i] = static_cast<T>(d * g * s);
  }
}

// y = gelu(gate) up with gelu(g) = g / 2 (1 + t), t = tanh(u), u = sqrt(2 / pi) (g + 0.044715 g^3)
// (Hendrycks & Gimpel 2016); gelu'(g) = (1 + t) / 2 + g / 2 (1 - t^2) du/dg.
template <class T>
void gelu_tanh_forward(const T* gate, const T* up, std::int64_t size, T* y) {
  const double c = std::sqrt(2 / std::numbers::pi);
  for (std::int64_t i = 0; i < size; ++i) {
    const double g = gate[i];
    y[i] = static_cast<T>(g / 2 * (1 + std::tanh(c * (g + 0.044715 * g * g * g))) * up[i]);
  }
}

template <class T>
void gelu_tanh_backward(const T* gate, const T* up, const T* dy, std::int64_t size, T* d_gate, T* d_up) {
  const double c = std::sqrt(2 / std::numbers::pi);
  for (std::int64_t i = 0; i < size; ++i) {
    const double g = gate[i], d = dy[i], t = std::tanh(c * (g + 0.044715 * g * g * g));
    const double slope = (1 + t) / 2 + g / 2 * (1 - t * t) * c * (1 + 3 * 0.044715 * g * g);
    d_gate[i] = static_cast<T>(d * up[i] * slope);
    d_up[i] = static_cast<T>(d * g / 2 * (1 + t));
  }
}

// y = cap tanh(x / cap) has dx = dy (1 - (y / cap)^2).
template <class T>
void softcap_forward(const T* x, double cap, std::int64_t size, T* y) {
  for (std::int64_t i = 0; i < size; ++i) y[i] = static_cast<T>(cap * std::tanh(x[i] / cap));
}

template <class T>
void softcap_backward(const T* y, double cap, const T* dy, std::int64_t size, T* dx) {
  for (std::int64_t i = 0; i < size; ++i) dx[i] = static_cast<T>(dy[i] * (1 - y[i] / cap * (y[i] / cap)));
}

// -log softmax(logits)[target]; gradient = weight (softmax(logits) - onehot(target)).
template <class T>
double cross_entropy(const T* logits, std::int64_t size, std::int64_t target, double weight, T* gradient) {
  double max = logits[0], sum = 0;
  for (std::int64_t i = 1; i < size; ++i) max = std::max(max, static_cast<double>(logits[i]));
  for (std::int64_t i = 0; i < size; ++i) sum += std::exp(logits[i] - max);
  const double loss = std::log(sum) + max - logits[target];
  for (std::int64_t i = 0; gradient != nullptr && i < size; ++i) {
    gradient[i] = static_cast<T>(weight * (std::exp(logits[i] - max) / sum - (i == target ? 1 : 0)));
  }
  return loss;
}

// Pointers as in CausalInput and CausalGradients of kernels/causal_attention.h, for any type.
template <class T>
struct CausalArrays {
  const T *q, *k, *v;
  T* out;
  T* log_sum_exp;
  const T* d_out;
  T *dq, *dk, *dv;
  std::int64_t q_stride, kv_stride;
};

template <class T>
double scaled_dot(const T* a, const T* b, std::int64_t size, double scale) {
  double dot = 0;
  for (std::int64_t d = 0; d < size; ++d) dot += static_cast<double>(a[d]) * b[d];
  return dot * scale;
}

// A score, and its derivative by q . k.
template <class T>
double score_of(const AttentionShape& shape, const T* q, const T* k, double* slope = nullptr) {
  const double s = scaled_dot(q, k, shape.head_dim, shape.scale), cap = shape.softcap;
  const double t = cap > 0 ? std::tanh(s / cap) : 0;
  if (slope != nullptr) *slope = shape.scale * (1 - t * t);
  return cap > 0 ? cap * t : s;
}

template <class T>
void causal_attention_forward(const AttentionShape& shape, std::span<const RowSpan> sequences,
                              const CausalArrays<T>& x) {
  const std::int64_t dim = shape.head_dim, group = shape.heads / shape.kv_heads;
  for (const RowSpan& s : sequences) {
    for (std::int64_t i = s.first; i < s.first + s.count; ++i) {
      for (std::int64_t h = 0; h < shape.heads; ++h) {
        const T* q = x.q + i * x.q_stride + h * dim;
        const std::int64_t at = h / group * dim;
        double max = -INFINITY, sum = 0;
        const std::int64_t begin = s.first + shape.first_key(i - s.first);
        for (std::int64_t j = begin; j <= i; ++j) {
          max = std::max(max, score_of(shape, q, x.k + j * x.kv_stride + at));
        }
        std::vector<double> out(static_cast<std::size_t>(dim));
        for (std::int64_t j = begin; j <= i; ++j) {
          const double w = std::exp(score_of(shape, q, x.k + j * x.kv_stride + at) - max);
          sum += w;
          for (std::int64_t d = 0; d < dim; ++d)
            out[static_cast<std::size_t>(d)] += w * x.v[j * x.kv_stride + at + d];
        }
        for (std::int64_t d = 0; d < dim; ++d)
          x.out[i * x.q_stride + h * dim + d] = static_cast<T>(out[static_cast<std::size_t>(d)] / sum);
        x.log_sum_exp[i * shape.heads + h] = static_cast<T>(max + std::log(sum));
      }
    }
  }
}

// With scores s_ij = scale q_i . k_j, p_ij = exp(s_ij - lse_i) and D_i = dout_i . out_i (Dao et al. 2022,
// appendix B.2):
//   dv_j = sum_i p_ij dout_i;  ds_ij = p_ij (dout_i . v_j - D_i);  dq_i = scale sum_j ds_ij k_j;
//   dk_j = scale sum_i ds_ij q_i.
// Where scores are capped, scale is times 1 - tanh(s_ij / cap)^2 there. Sums are over the keys that a query
// sees.
// All of dq, dk, dv are overwritten.
template <class T>
void causal_attention_backward(const AttentionShape& shape, std::span<const RowSpan> sequences,
                               const CausalArrays<T>& x) {
  const std::int64_t dim = shape.head_dim, group = shape.heads / shape.kv_heads;
  for (const RowSpan& s : sequences) {
    const std::int64_t end = s.first + s.count;
    for (std::int64_t i = s.first; i < end; ++i) {
      std::fill_n(x.dq + i * x.q_stride, shape.heads * dim, T(0));
      std::fill_n(x.dk + i * x.kv_stride, shape.kv_heads * dim, T(0));
      std::fill_n(x.dv + i * x.kv_stride, shape.kv_heads * dim, T(0));
    }
    for (std::int64_t h = 0; h < shape.heads; ++h) {
      const std::int64_t at = h / group * dim;
      for (std::int64_t i = s.first; i < end; ++i) {
        const std::int64_t row = i * x.q_stride + h * dim;
        const double through = scaled_dot(x.d_out + row, x.out + row, dim, 1);
        for (std::int64_t j = s.first + shape.first_key(i - s.first); j <= i; ++j) {
          const std::int64_t key = j * x.kv_stride + at;
          double slope = 0;
          const double p =
              std::exp(score_of(shape, x.q + row, x.k + key, &slope) - x.log_sum_exp[i * shape.heads + h]);
          const double ds = p * (scaled_dot(x.d_out + row, x.v + key, dim, 1) - through) * slope;
          for (std::int64_t d = 0; d < dim; ++d) {
            x.dv[key + d] += static_cast<T>(p * x.d_out[row + d]);
            x.dq[row + d] += static_cast<T>(ds * x.k[key + d]);
            x.dk[key + d] += static_cast<T>(ds * x.q[row + d]);
          }
        }
      }
    }
  }
}

// One step of AdamW (Loshchilov & Hutter 2019, algorithm 2) at 1-based `step`, with weight decay multiplied
// by the learning rate as PyTorch has it.
template <class T>
void adamw(std::int64_t size, const T* gradient, double learning_rate, double beta1, double beta2, double eps,
           double weight_decay, std::int64_t step, T* weight, T* m, T* v) {
  const double bias1 = 1 - std::pow(beta1, step), bias2 = 1 - std::pow(beta2, step);
  for (std::int64_t i = 0; i < size; ++i) {
    const double g = gradient[i];
    m[i] = static_cast<T>(beta1 * m[i] + (1 - beta1) * g);
    v[i] = static_cast<T>(beta2 * v[i] + (1 - beta2) * g * g);
    const double denominator = std::sqrt(v[i] / bias2) + eps;
    weight[i] = static_cast<T>(weight[i] * (1 - learning_rate * weight_decay) -
                               learning_rate * (m[i] / bias1) / denominator);
  }
}

}  // namespace refocus::reference
