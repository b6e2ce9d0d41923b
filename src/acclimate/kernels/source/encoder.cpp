// Inference of a BERT-shaped encoder on packed rows in one call: embeddings, layers, and nothing between them in Python.
//
// Legend: T tokens in the row, B sequences, M rows of one piece of work, H hidden size, F inner size, W wanted rows.
//
// Weights are laid out once. Many short sequences: each thread takes a few whole sequences through all layers, and waits
// for nobody. Few: all threads share the columns of each product. Where only some rows of the last layer are wanted
// (the first token of each sequence, masks), only their share of it is computed. What a sequence gets depends neither
// on its neighbours nor on the number of threads: every sum has an order of its own.
#include <memory>
#include <mutex>

#include "encoder_attention.h"
#include "team.h"

// What stands between two products: type of queries, keys, values; of what is handed on before it is rounded.
template <class D> struct Between { typedef D Attention; typedef D Handed; };
#if defined(HAS_INT8)
#if defined(HAS_BF16)
template <> struct Between<I8> { typedef BF16 Attention; typedef F32 Handed; };
#else
template <> struct Between<I8> { typedef F32 Attention; typedef F32 Handed; };
#endif
static inline void round_row(const float* x, int n, uint8_t* to, Rounding* rounding) {
  Vf low = {}, high = {};
  for (int i = 0; i < n; i += LANES) {
    const Vf v = load(x + i);
    low = smaller(low, v), high = larger(high, v);
  }
  const float least = -largest_of(-low), most = largest_of(high), range = most - least;
  rounding->scale = range > 0 ? range / 255.0f : 1.0f;
  const float inverse = 1.0f / rounding->scale;
  rounding->zero = (int32_t)std::nearbyint(-least * inverse);
  for (int i = 0; i < n; i += LANES) {
    const __m512i q = _mm512_add_epi32(_mm512_cvtps_epi32((__m512)(load(x + i) * inverse)),
                                       _mm512_set1_epi32(rounding->zero));
    _mm_storeu_si128((__m128i*)(to + i), _mm512_cvtusepi32_epi8(_mm512_max_epi32(q, _mm512_setzero_si512())));
  }
}
#endif

struct Sizes {
  i64 layers, hidden, heads, inner, vocabulary, positions, segments;
};

// One layer's weights in Transformers' order: query, key, value, output, norm, inner, outer, norm, each weight then bias.
static const int LAYER_PARTS = 16;
static const int EMBEDDING_PARTS = 5;

struct Norm {
  std::vector<float> gain, bias;
  Norm(const float* g, const float* b, int n) : gain(g, g + n), bias(b, b + n) {
    gain.resize(rounded_up(n, LANES)), bias.resize(rounded_up(n, LANES));
  }
  // In place, [n]; pad lanes come out zero.
  void apply(float* x, int n, float epsilon) const {
    const int padded = rounded_up(n, LANES);
    Vf total = {};
    for (int i = 0; i < padded; i += LANES) total += load(x + i);
    const float mean = sum_of(total) / n;
    Vf squares = {};
    for (int i = 0; i < padded; i += LANES) {
      const Vf d = first_lanes(load(x + i) - mean, n - i);
      squares += d * d;
    }
    const float inverse = 1.0f / std::sqrt(sum_of(squares) / n + epsilon);
    for (int i = 0; i < padded; i += LANES)
      store(x + i, (load(x + i) - mean) * inverse * load(&gain[i]) + load(&bias[i]));
  }
};

template <class D>
struct Layer {
  Linear<D> query, key_value, output, inner, outer;
  Norm attention_norm, norm;
  Layer(const float* const* w, int h, int f)
      : query({w[0]}, {w[1]}, h, h),
        key_value({w[2], w[4]}, {w[3], w[5]}, h, h),
        output({w[6]}, {w[7]}, h, h),
        inner({w[10]}, {w[11]}, f, h),
        outer({w[12]}, {w[13]}, h, f),
        attention_norm(w[8], w[9], h),
        norm(w[14], w[15], h) {}
};

// Rows of activations between products, with room for M rows.
template <class D>
struct Activations {
  typename D::A* data;
  Rounding* rounding;
  int stride;
  Rows<D> rows() const { return {data, stride, rounding}; }
};

struct Batch {
  const i64 *tokens, *positions, *segments, *starts;
  const i64* wanted;  // [W] ascending rows of the last layer; null: all
  float* out;         // [T or W, H]
};

// Whole sequences that go through the layers together.
struct Piece {
  int first_sequence, last_sequence;
  int first_row, last_row;
  int first_wanted, last_wanted;
  int rows() const { return last_row - first_row; }
  int wanted() const { return last_wanted - first_wanted; }
};

class AnyEncoder {
 public:
  virtual ~AnyEncoder() = default;
  virtual void run(const Batch&, i64 num_tokens, i64 num_sequences, i64 num_wanted, int threads) = 0;
  Sizes sizes;
};
