// The layers of a BERT-shaped encoder over a few whole sequences, as phases of a team's work.
//
// Legend: M rows of the piece, R rows that the layer's output is wanted at, H hidden size, F inner size.
#pragma once
#include "encoder_attention.h"
#include "team.h"

// Between two products: the type of queries, keys and values, and of what is handed on before it is rounded.
template <class D> struct Between { typedef D Attention; typedef D Handed; };

#if defined(HAS_INT8)
#if defined(HAS_BF16)
template <> struct Between<I8> { typedef BF16 Attention; typedef F32 Handed; };
#else
template <> struct Between<I8> { typedef F32 Attention; typedef F32 Handed; };
#endif

// The row's own range, 0 always in it, onto 0 … 255.
static inline void round_row(const float* x, int n, uint8_t* to, Rounding* rounding) {
  Vf low = {}, high = {};
  for (int i = 0; i < n; i += LANES) {
    const Vf v = load(x + i);
    low = smaller(low, v), high = larger(high, v);
  }
  const float least = -largest_of(-low), range = largest_of(high) - least;
  const float inverse = range > 0 ? 255.0f / range : 0.0f;
  rounding->scale = range / 255.0f;
  rounding->zero = (int32_t)std::nearbyint(-least * inverse);
  const __m512i zero = _mm512_set1_epi32(rounding->zero);
  for (int i = 0; i < n; i += LANES) {
    const __m512i q = _mm512_add_epi32(_mm512_cvtps_epi32((__m512)(load(x + i) * inverse)), zero);
    _mm_storeu_si128((__m128i*)(to + i), _mm512_cvtusepi32_epi8(_mm512_max_epi32(q, _mm512_setzero_si512())));
  }
}
#endif

template <class D>
static inline void put_lanes(typename D::A* to, Vf v, int lanes) {
  if (lanes >= LANES) return D::put(to, v);
  typename D::A whole[LANES];
  D::put(whole, v);
  std::memcpy(to, whole, lanes * sizeof *to);
}

struct Norm {
  std::vector<float> gain, bias;
  Norm(const float* g, const float* b, int n) : gain(g, g + n), bias(b, b + n) {
    gain.resize(rounded_up(n, LANES)), bias.resize(rounded_up(n, LANES));
  }
  // In place, [n]; pad lanes come out zero.
  void apply(float* x, int n, float epsilon) const {
    const int padded = rounded_up(n, LANES);
    Vf total = {}, squares = {};
    for (int i = 0; i < padded; i += LANES) total += load(x + i);
    const float mean = sum_of(total) / n;
    for (int i = 0; i < padded; i += LANES) {
      const Vf d = first_lanes(load(x + i) - mean, n - i);
      squares += d * d;
    }
    const float inverse = 1.0f / std::sqrt(sum_of(squares) / n + epsilon);
    for (int i = 0; i < padded; i += LANES)
      store(x + i, (load(x + i) - mean) * inverse * load(&gain[i]) + load(&bias[i]));
  }
};

// In Transformers' order: query, key, value, output, norm, inner, outer, norm; of each the weight, then the bias.
static const int LAYER_PARTS = 16;
template <class D>
struct Layer {
  Linear<D> query, key_value, output;
  Norm attention_norm;
  Linear<D> inner, outer;
  Norm norm;
  Layer(const float* const* w, int h, int f)
      : query({w[0]}, {w[1]}, h, h), key_value({w[2], w[4]}, {w[3], w[5]}, h, h), output({w[6]}, {w[7]}, h, h),
        attention_norm(w[8], w[9], h), inner({w[10]}, {w[11]}, f, h), outer({w[12]}, {w[13]}, h, f),
        norm(w[14], w[15], h) {}
};

struct Shape {
  int layers, hidden, heads, inner;
  float epsilon;
  int padded() const { return rounded_up(hidden, LANES); }
  int size() const { return hidden / heads; }
};

// Room for the activations of M rows.
template <class D>
struct Workspace {
  typedef typename Between<D>::Attention::A Q;
  typedef typename Between<D>::Handed::A Handed;
  Memory memory;
  float *x, *wanted_x, *y;     // [M, padded H] the stream of residuals, its wanted rows, and the layer's middle
  typename D::A *a, *b, *wide; // what products take: [M, padded H] twice, [M, padded F]
  Rounding *a_rounding, *b_rounding, *wide_rounding;
  Q *q, *kv;                   // [M, padded H], [M, padded 2H]
  Handed *handed;              // [M, larger of padded H and F]; where nothing is rounded `b` and `wide` serve

  void make_room(int rows, const Shape& shape) {
    const size_t h = shape.padded(), f = rounded_up(shape.inner, LANES), kv_width = rounded_up(2 * shape.hidden, LANES);
    const size_t widths[] = {4 * h, 4 * h, 4 * h, sizeof(*a) * h, sizeof(*a) * h, sizeof(*a) * f, 8, 8, 8,
                             sizeof(Q) * h, sizeof(Q) * kv_width, D::ROUNDED ? sizeof(Handed) * std::max(h, f) : 0};
    void* places[12];
    for (int pass = 0; pass < 2; pass++) {
      size_t used = 0;
      for (int i = 0; i < 12; i++) {
        places[i] = memory.get() + used;
        used += (widths[i] * rows + 127) / 64 * 64;
      }
      if (!pass) memory.at_least(used);
    }
    x = (float*)places[0], wanted_x = (float*)places[1], y = (float*)places[2];
    a = (typename D::A*)places[3], b = (typename D::A*)places[4], wide = (typename D::A*)places[5];
    a_rounding = (Rounding*)places[6], b_rounding = (Rounding*)places[7], wide_rounding = (Rounding*)places[8];
    q = (Q*)places[9], kv = (Q*)places[10], handed = (Handed*)places[11];
  }
};

// Whole sequences that go through the layers together. starts: of the batch; wanted: ascending rows of the batch, or null.
struct Piece {
  const i64 *starts, *wanted;
  int first_sequence, num_sequences;
  int first_row, num_rows;
  int first_wanted, num_wanted;
};

template <class D>
class Passage {
  typedef typename Between<D>::Attention Attention;
  typedef typename Between<D>::Handed Handed;
  Team& team;
  const Shape& shape;
  const Piece& piece;
  Workspace<D>& at;
  Memory& scratch;  // this thread's own
  static constexpr int BLOCK = 4;

  template <class Task>
  void rows(int number, Task task) {
    team.each((number + BLOCK - 1) / BLOCK, [&](int block) {
      for (int row = block * BLOCK; row < std::min(number, (block + 1) * BLOCK); row++) task(row);
    });
  }
  // What the products of the next layer take.
  void round(const float* x, int n, typename D::A* to, Rounding* rounding) {
    if constexpr (D::ROUNDED) {
      round_row(x, n, to, rounding);
    } else {
      for (int i = 0; i < n; i += LANES) D::put(to + i, load(x + i));
    }
  }
  template <class Sink>
  void product(const Linear<D>& w, const Rows<D>& x, int number, Sink sink) {
    const int most = std::max(1, number / TALL);
    const int parts = team.size == 1 ? 1 : std::min(most, (2 * team.size + w.panels - 1) / w.panels);
    team.each(w.panels * parts, [&](int task) {
      const int part = task % parts;
      w.run(task / parts, x, number * part / parts, number * (part + 1) / parts, sink);
    });
  }

  void attention(const Layer<D>& layer, const Rows<D>& queries, int number) {
    const int h = shape.padded(), kv_width = rounded_up(2 * shape.hidden, LANES), size = shape.size();
    const Rows<D> all_rows{at.a, h, at.a_rounding};
    team.each(layer.query.panels + layer.key_value.panels, [&](int task) {
      if (task < layer.query.panels)
        layer.query.run(task, queries, 0, number,
                        [&](int row, int column, Vf v) { Attention::put(at.q + (i64)row * h + column, v); });
      else
        layer.key_value.run(task - layer.query.panels, all_rows, 0, piece.num_rows, [&](int row, int column, Vf v) {
          Attention::put(at.kv + (i64)row * kv_width + column, v);
        });
    });
    auto* out = context();
    team.each(piece.num_sequences * shape.heads, [&](int task) {
      const int sequence = piece.first_sequence + task / shape.heads, head = task % shape.heads;
      const int start = (int)piece.starts[sequence], length = (int)piece.starts[sequence + 1] - start;
      int first = start - piece.first_row, last = first + length;
      if (number != piece.num_rows) {
        const i64 *from = piece.wanted + piece.first_wanted, *to = from + piece.num_wanted;
        first = (int)(std::lower_bound(from, to, start) - from), last = (int)(std::lower_bound(from, to, start + length) - from);
      }
      const auto* keys = at.kv + (i64)(start - piece.first_row) * kv_width + head * size;
      attend<Attention>(at.q + (i64)first * h + head * size, h, last - first, keys, keys + shape.hidden, kv_width, length,
                        size, 1.0f / std::sqrt((float)size), scratch, [&](int row, int column, Vf v) {
                          put_lanes<Handed>(out + (i64)(first + row) * h + head * size + column, v, size - column);
                        });
      if (head == 0)
        for (int row = first; row < last; row++)
          std::memset(out + (i64)row * h + shape.hidden, 0, (h - shape.hidden) * sizeof *out);
    });
    if constexpr (D::ROUNDED)
      rows(number, [&](int row) { round_row(at.handed + (i64)row * h, h, at.b + (i64)row * h, at.b_rounding + row); });
  }
  auto* context() {
    if constexpr (D::ROUNDED) return at.handed; else return at.b;
  }

  // [R, H] at.a → `wide` [R, F]
  void inner(const Layer<D>& layer, int number) {
    const int f = rounded_up(shape.inner, LANES);
    const Rows<D> x{at.a, shape.padded(), at.a_rounding};
    if constexpr (D::ROUNDED) {
      product(layer.inner, x, number,
              [&](int row, int column, Vf v) { store(at.handed + (i64)row * f + column, gelu(v)); });
      rows(number, [&](int row) { round_row(at.handed + (i64)row * f, f, at.wide + (i64)row * f, at.wide_rounding + row); });
    } else {
      product(layer.inner, x, number,
              [&](int row, int column, Vf v) { D::put(at.wide + (i64)row * f + column, gelu(v)); });
    }
  }

 public:
  Passage(Team& team_, const Shape& shape_, const Piece& piece_, Workspace<D>& workspace, Memory& scratch_)
      : team(team_), shape(shape_), piece(piece_), at(workspace), scratch(scratch_) {}

  // fill(row, to): the row's embedding [padded H].
  template <class Fill>
  void start(Fill fill) {
    const i64 h = shape.padded();
    rows(piece.num_rows, [&](int row) {
      fill(row, at.x + row * h);
      round(at.x + row * h, h, at.a + row * h, at.a_rounding + row);
    });
  }

  // The last layer writes its rows [R, H] to `out`; the others leave theirs in the workspace.
  void layer(const Layer<D>& layer, float* out) {
    const i64 h = shape.padded(), f = rounded_up(shape.inner, LANES);
    const bool some = out && piece.wanted && piece.num_wanted < piece.num_rows;
    const int number = some ? piece.num_wanted : piece.num_rows;
    float* x = at.x;
    Rows<D> queries{at.a, h, at.a_rounding};
    if (some) {
      x = at.wanted_x, queries = {at.b, h, at.b_rounding};  // `b` is free until the queries are made
      rows(number, [&](int row) {
        const i64 from = piece.wanted[piece.first_wanted + row] - piece.first_row;
        std::memcpy(x + row * h, at.x + from * h, h * sizeof *x);
        std::memcpy(at.b + row * h, at.a + from * h, h * sizeof *at.b);
        at.b_rounding[row] = at.a_rounding[from];
      });
    }
    attention(layer, queries, number);
    product(layer.output, {at.b, h, at.b_rounding}, number,
            [&](int row, int column, Vf v) { store(at.y + row * h + column, v + load(x + row * h + column)); });
    rows(number, [&](int row) {
      layer.attention_norm.apply(at.y + row * h, shape.hidden, shape.epsilon);
      round(at.y + row * h, h, at.a + row * h, at.a_rounding + row);
    });
    inner(layer, number);
    product(layer.outer, {at.wide, f, at.wide_rounding}, number,
            [&](int row, int column, Vf v) { store(x + row * h + column, v + load(at.y + row * h + column)); });
    rows(number, [&](int row) {
      layer.norm.apply(x + row * h, shape.hidden, shape.epsilon);
      if (out) std::memcpy(out + (i64)row * shape.hidden, x + row * h, shape.hidden * sizeof *out);
      else round(x + row * h, h, at.a + row * h, at.a_rounding + row);
    });
  }
};
