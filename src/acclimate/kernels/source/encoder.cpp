// Inference of a BERT-shaped encoder on packed rows in one call, and products with weights that were laid out once.
//
// Legend: T tokens in the row, B sequences, W wanted rows, H hidden size.
//
// Many short sequences: each thread takes a few whole sequences through all layers, and waits for nobody. Few: all
// threads share the columns of each product. Where only some rows of the last layer are wanted (the first token of each
// sequence, masks), only their share of it is computed. What a sequence gets depends neither on its neighbours nor on
// the number of threads: every sum has an order of its own.
#include <memory>
#include <mutex>

#include "encoder_layer.h"

static const int PIECE_ROWS = 96;          // so that a piece's activations stay in the second cache
static const int FEWEST_ROWS = 32;         // below, too little is done with each weight that is fetched
static const double THREAD_WORK = 10e6;    // multiply-adds that are worth another thread

struct Batch {
  const i64 *tokens, *positions, *segments, *starts, *wanted;  // wanted: null for all rows
  i64 num_tokens, num_sequences, num_wanted;
  float* out;
};

class AnyEncoder {
 public:
  virtual ~AnyEncoder() = default;
  virtual void run(const Batch& batch, int threads) = 0;
  i64 rows[3];  // of the three embeddings

  // Whether every index of the batch points into something.
  bool holds(const Batch& b) const {
    if (b.starts[0] != 0 || b.starts[b.num_sequences] != b.num_tokens) return false;
    for (i64 s = 0; s < b.num_sequences; s++)
      if (b.starts[s + 1] <= b.starts[s]) return false;
    const i64* ids[3] = {b.tokens, b.positions, b.segments};
    for (int kind = 0; kind < 3; kind++)
      for (i64 t = 0; t < b.num_tokens; t++)
        if ((uint64_t)ids[kind][t] >= (uint64_t)rows[kind]) return false;
    for (i64 w = 0; b.wanted && w < b.num_wanted; w++)
      if (b.wanted[w] < (w ? b.wanted[w - 1] : 0) || b.wanted[w] >= b.num_tokens) return false;
    return true;
  }
};

template <class D>
class Encoder final : public AnyEncoder {
  // One call's room; calls may come from several threads at once.
  struct Room {
    std::vector<Workspace<D>> workspaces;
    std::vector<Memory> scratch;
    std::vector<Phase> phases;
  };
  Shape shape;
  const float *words, *positions, *segments;  // the caller's own
  Norm norm;
  std::vector<Layer<D>> layers;
  double work_per_token;
  std::vector<std::unique_ptr<Room>> rooms;
  std::mutex lock;

  std::vector<Piece> cut(const Batch& batch, int rows) const {
    std::vector<Piece> pieces;
    i64 wanted = 0;
    for (i64 s = 0; s < batch.num_sequences;) {
      const i64 first = s, row = batch.starts[s], first_wanted = wanted;
      do s++;
      while (s < batch.num_sequences && batch.starts[s + 1] - row <= rows);
      const i64 end = batch.starts[s];
      if (batch.wanted)
        while (wanted < batch.num_wanted && batch.wanted[wanted] < end) wanted++;
      pieces.push_back({batch.starts, batch.wanted, (int)first, (int)(s - first), (int)row, (int)(end - row),
                        (int)first_wanted, (int)(wanted - first_wanted)});
    }
    return pieces;
  }

  void pass(Team& team, const Batch& batch, const Piece& piece, Workspace<D>& workspace, Memory& scratch) const {
    if (batch.wanted && !piece.num_wanted) return;
    Passage<D> passage(team, shape, piece, workspace, scratch);
    const i64 h = shape.hidden;
    passage.start([&](int row, float* to) {
      const i64 t = piece.first_row + row;
      const float *word = words + batch.tokens[t] * h, *place = positions + batch.positions[t] * h;
      const float* segment = segments + batch.segments[t] * h;
      for (i64 i = 0; i < h; i++) to[i] = word[i] + segment[i] + place[i];
      for (i64 i = h; i < shape.padded(); i++) to[i] = 0;
      norm.apply(to, shape.hidden, shape.epsilon);
    });
    for (const Layer<D>& layer : layers)
      passage.layer(layer, &layer == &layers.back()
                               ? batch.out + (batch.wanted ? piece.first_wanted : piece.first_row) * h : nullptr);
  }

  std::unique_ptr<Room> room() {
    std::lock_guard<std::mutex> held(lock);
    if (rooms.empty()) return std::make_unique<Room>();
    auto found = std::move(rooms.back());
    rooms.pop_back();
    return found;
  }

 public:
  Encoder(const Shape& shape_, const float* const* weights)
      : shape(shape_), words(weights[0]), positions(weights[1]), segments(weights[2]),
        norm(weights[3], weights[4], shape.hidden) {
    layers.reserve(shape.layers);
    for (int i = 0; i < shape.layers; i++) layers.emplace_back(weights + 5 + i * LAYER_PARTS, shape.hidden, shape.inner);
    work_per_token = shape.layers * (4.0 * shape.hidden * shape.hidden + 2.0 * shape.hidden * shape.inner);
  }

  void run(const Batch& batch, int threads) override {
    threads = std::max(1, std::min(threads, (int)(batch.num_tokens * work_per_token / THREAD_WORK)));
    const int each = (int)(batch.num_tokens / (4 * threads));
    auto pieces = cut(batch, threads == 1 ? PIECE_ROWS : std::max(FEWEST_ROWS, std::min(PIECE_ROWS, each)));
    const bool together = threads > 1 && (int)pieces.size() < 2 * threads;
    if (together) pieces = cut(batch, PIECE_ROWS * threads);
    else std::stable_sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.num_rows > b.num_rows; });
    auto own = room();
    prepare(*own, pieces, threads, together, batch);
    std::atomic<size_t> next{0};
    const auto work = [&](int rank) {
      if (together) {
        Team team(&own->phases, threads);
        for (const Piece& piece : pieces) pass(team, batch, piece, own->workspaces[0], own->scratch[rank]);
      } else {
        Team alone;
        for (size_t i; (i = next.fetch_add(1)) < pieces.size();)
          pass(alone, batch, pieces[i], own->workspaces[rank], own->scratch[rank]);
      }
    };
    if (threads == 1) work(0);
    else Helpers::all().run(threads, work);
    std::lock_guard<std::mutex> held(lock);
    rooms.push_back(std::move(own));
  }

 private:
  // All memory is had before the threads start: none of them may fail.
  void prepare(Room& own, const std::vector<Piece>& pieces, int threads, bool together, const Batch& batch) const {
    int rows = 0;
    i64 longest = 0;
    for (const Piece& piece : pieces) rows = std::max(rows, piece.num_rows);
    for (i64 s = 0; s < batch.num_sequences; s++) longest = std::max(longest, batch.starts[s + 1] - batch.starts[s]);
    if ((int)own.scratch.size() < threads) own.scratch.resize(threads);
    for (int i = 0; i < threads; i++) own.scratch[i].at_least(attention_bytes((int)longest, shape.size()));
    const int number = together ? 1 : threads;
    if ((int)own.workspaces.size() < number) own.workspaces.resize(number);
    for (int i = 0; i < number; i++) own.workspaces[i].make_room(rows, shape);
    if (together) own.phases = std::vector<Phase>(pieces.size() * (1 + 10 * shape.layers));
  }
};

enum Precision { FP32 = 0, BFLOAT16 = 1, INT8 = 2 };

extern "C" {
// Whether this processor has the arithmetic.
int encoder_has(int precision) {
#if defined(HAS_BF16)
  if (precision == BFLOAT16) return 1;
#endif
#if defined(HAS_INT8)
  if (precision == INT8) return 1;
#endif
  return precision == FP32;
}

// weights: words, positions, segments (kept by the caller as long as the encoder lives; `rows` of each), the embedding
// norm's two, then each layer's; all fp32, contiguous. Null when there is no memory for it, or no such arithmetic.
void* encoder_new(i64 layers, i64 hidden, i64 heads, i64 inner, double epsilon, const i64* rows,
                  const float* const* weights, int precision) {
  const Shape shape{(int)layers, (int)hidden, (int)heads, (int)inner, (float)epsilon};
  AnyEncoder* made = nullptr;
  try {
    if (precision == FP32) made = new Encoder<F32>(shape, weights);
#if defined(HAS_BF16)
    if (precision == BFLOAT16) made = new Encoder<BF16>(shape, weights);
#endif
#if defined(HAS_INT8)
    if (precision == INT8) made = new Encoder<I8>(shape, weights);
#endif
  } catch (const std::bad_alloc&) {
  }
  if (made) std::copy(rows, rows + 3, made->rows);
  return made;
}
void encoder_free(void* encoder) { delete (AnyEncoder*)encoder; }

// out [W, H], or [T, H] where wanted is null. 0; or 1 when there is no memory, 2 when an index points outside.
int encoder_run(void* encoder, const i64* tokens, const i64* positions, const i64* segments, i64 num_tokens,
                const i64* starts, i64 num_sequences, const i64* wanted, i64 num_wanted, float* out, int threads) {
  const Batch batch{tokens, positions, segments, starts, wanted, num_tokens, num_sequences, num_wanted, out};
  if (!((AnyEncoder*)encoder)->holds(batch)) return 2;
  try {
    ((AnyEncoder*)encoder)->run(batch, threads);
  } catch (const std::bad_alloc&) {
    return 1;
  }
  return 0;
}

// A head's layer in fp32: weights [n, k], bias [n].
void* head_new(const float* weights, const float* bias, i64 n, i64 k) {
  try {
    return new Linear<F32>({weights}, {bias}, (int)n, (int)k);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void head_free(void* head) { delete (Linear<F32>*)head; }

// out [rows, n] ← x [rows, k], through tanh or as it is.
void head_run(const void* head, const float* x, i64 rows, i64 k, int with_tanh, float* out) {
  const Linear<F32>& layer = *(const Linear<F32>*)head;
  for (int panel = 0; panel < layer.panels; panel++)
    layer.run(panel, {x, k, nullptr}, 0, (int)rows, [&](int row, int column, Vf v) {
      put_lanes<F32>(out + (i64)row * layer.n + column, with_tanh ? tanh_of(v) : v, layer.n - column);
    });
}

// out [B, H]: the mean of x [T, H] over each sequence's rows.
void mean_rows(const float* x, const i64* starts, i64 num_sequences, i64 hidden, float* out) {
  for (i64 s = 0; s < num_sequences; s++) {
    float* to = out + s * hidden;
    std::fill(to, to + hidden, 0.0f);
    for (i64 row = starts[s]; row < starts[s + 1]; row++)
      for (i64 i = 0; i < hidden; i++) to[i] += x[row * hidden + i];
    for (i64 i = 0; i < hidden; i++) to[i] /= (float)(starts[s + 1] - starts[s]);
  }
}
}
