// A memory of words: what a tokenizer made of a stretch of text once, it need not be asked again.
//
// Texts are cut before every space that does not follow white space, so that a stretch is some spaces and what stands
// behind them up to the next space. `words_find` looks all stretches of a batch up and tells those it has never seen;
// `words_learn` takes the tokens of these; `words_emit` writes the tokens of the whole batch.
#include <cstdint>
#include <cstring>
#include <vector>

using i64 = int64_t;
using u64 = uint64_t;

namespace {

struct Entry {
  u64 hash;
  i64 text, size;    // of its bytes in `bytes`
  i64 first, count;  // of its tokens in `tokens`
};

struct Memory {
  std::vector<Entry> entries;
  std::vector<int32_t> table;  // entry numbers by hash, -1 where free; its size is a power of two
  std::vector<uint8_t> bytes;
  std::vector<int32_t> tokens;
  std::vector<int32_t> found;  // the batch: an entry for each stretch
  std::vector<i64> ends;       // the batch: stretches up to the end of each text
  size_t learnt = 0;           // entries whose tokens are known
};

u64 load(const uint8_t* p, i64 size) {
  u64 value = 0;
  std::memcpy(&value, p, size);
  return value;
}

u64 hash_of(const uint8_t* p, i64 size) {
  u64 hash = 0x9E3779B97F4A7C15ull ^ (u64)size;
  for (; size > 0; p += 8, size -= 8) {
    hash = (hash ^ load(p, size < 8 ? size : 8)) * 0xD6E8FEB86659FD93ull;
    hash ^= hash >> 32;
  }
  return hash ^ (hash >> 29);
}

void rehash(Memory& memory, size_t size) {
  memory.table.assign(size, -1);
  for (size_t number = 0; number < memory.entries.size(); ++number) {
    size_t at = memory.entries[number].hash & (size - 1);
    while (memory.table[at] >= 0) at = (at + 1) & (size - 1);
    memory.table[at] = (int32_t)number;
  }
}

int32_t look_up(Memory& memory, const uint8_t* p, i64 size) {
  u64 hash = hash_of(p, size);
  size_t mask = memory.table.size() - 1, at = hash & mask;
  for (; memory.table[at] >= 0; at = (at + 1) & mask) {
    const Entry& entry = memory.entries[memory.table[at]];
    if (entry.hash == hash && entry.size == size && !std::memcmp(&memory.bytes[entry.text], p, size))
      return memory.table[at];
  }
  int32_t number = (int32_t)memory.entries.size();
  memory.table[at] = number;
  memory.entries.push_back({hash, (i64)memory.bytes.size(), size, 0, 0});
  memory.bytes.insert(memory.bytes.end(), p, p + size);
  if (2 * memory.entries.size() > memory.table.size()) rehash(memory, 2 * memory.table.size());
  return number;
}

// Whether the byte may be the last of a white-space character; wide ones are taken for such with some others.
inline bool may_be_space(uint8_t byte) { return byte <= ' ' || byte >= 0x80; }

}  // namespace

extern "C" {

void* words_new() {
  Memory* memory = new Memory();
  memory->table.assign(1 << 16, -1);
  return memory;
}

void words_free(void* memory) { delete (Memory*)memory; }

// Bytes that the memory takes, about.
i64 words_size(void* pointer) {
  Memory& memory = *(Memory*)pointer;
  return memory.entries.size() * sizeof(Entry) + memory.table.size() * 4 + memory.bytes.size() + memory.tokens.size() * 4;
}

// The stretches of the texts (UTF-8, text d from offsets[d] to offsets[d + 1]); (first byte, size) of the new ones in
// `fresh`, their number.
i64 words_find(void* pointer, const uint8_t* data, const i64* offsets, i64 num_texts, i64* fresh) {
  Memory& memory = *(Memory*)pointer;
  memory.found.clear();
  memory.ends.clear();
  i64 number = 0;
  for (i64 text = 0; text < num_texts; ++text) {
    i64 begin = offsets[text], end = offsets[text + 1];
    while (begin < end) {
      i64 next = begin + 1;
      for (; next < end; ++next)
        if (data[next] == ' ' && !may_be_space(data[next - 1])) break;
      size_t known = memory.entries.size();
      int32_t entry = look_up(memory, data + begin, next - begin);
      if ((size_t)entry == known) {
        fresh[2 * number] = begin;
        fresh[2 * number++ + 1] = next - begin;
      }
      memory.found.push_back(entry);
      begin = next;
    }
    memory.ends.push_back((i64)memory.found.size());
  }
  return number;
}

// Tokens of the stretches that the last `words_find` told, in its order.
void words_learn(void* pointer, const i64* counts, i64 number, const i64* tokens) {
  Memory& memory = *(Memory*)pointer;
  for (i64 i = 0; i < number; ++i) {
    Entry& entry = memory.entries[memory.learnt++];
    entry.first = (i64)memory.tokens.size();
    entry.count = counts[i];
    for (i64 k = 0; k < counts[i]; ++k) memory.tokens.push_back((int32_t)*tokens++);
  }
}

// [texts] number of tokens of each text of the batch; their sum.
i64 words_count(void* pointer, i64* lengths) {
  Memory& memory = *(Memory*)pointer;
  i64 total = 0, at = 0;
  for (size_t text = 0; text < memory.ends.size(); ++text) {
    i64 before = total;
    for (; at < memory.ends[text]; ++at) total += memory.entries[memory.found[at]].count;
    lengths[text] = total - before;
  }
  return total;
}

void words_emit(void* pointer, i64* out) {
  Memory& memory = *(Memory*)pointer;
  for (int32_t number : memory.found) {
    const Entry& entry = memory.entries[number];
    const int32_t* tokens = memory.tokens.data() + entry.first;
    for (i64 k = 0; k < entry.count; ++k) *out++ = tokens[k];
  }
}

}  // extern "C"
