// Words, shingles and MinHash of many texts, and rows of their tokens: the same numbers as the plain code in acclimate/corpus gives, bit for bit.
#include <algorithm>
#include <cstdint>
#include <vector>

using i64 = int64_t;
using u64 = uint64_t;
using u32 = uint32_t;

namespace {

enum Kind : uint8_t { SEPARATOR = 0, LETTER = 1, ALONE = 2 };

// The finisher of MurmurHash3 (Appleby 2011).
inline u64 mix(u64 x) {
  x ^= x >> 33;
  x *= 0xFF51AFD7ED558CCDull;
  x ^= x >> 33;
  x *= 0xC4CEB9FE1A85EC53ull;
  return x ^ (x >> 33);
}

const int PLACES = 256;  // beyond the last the place no longer counts
const int HASH_BITS = 52;

// Hashes of the shingles of one text of `count` words, repeats included; fewer words than `size` are one shingle.
i64 shingles_of(const u64* words, i64 count, int size, const u64* powers, u64* out) {
  if (!count) return 0;
  i64 length = std::min<i64>(size, count), number = count - length + 1;
  for (i64 at = 0; at < number; ++at) {
    u64 sum = 0;
    for (i64 offset = 0; offset < length; ++offset) sum += words[at + offset] * powers[offset];
    out[at] = mix(sum) >> (64 - HASH_BITS);
  }
  return number;
}

// How many different values there are; `table` is scratch.
i64 different(const u64* values, i64 count, std::vector<u64>& table) {
  size_t size = 16;
  while (size < 2 * (size_t)count) size *= 2;
  const u64 empty = ~0ull;  // no 52-bit hash
  table.assign(size, empty);
  i64 found = 0;
  for (i64 i = 0; i < count; ++i) {
    size_t at = (values[i] * 0x9E3779B97F4A7C15ull >> 20) & (size - 1);
    while (table[at] != empty && table[at] != values[i]) at = (at + 1) & (size - 1);
    found += table[at] == empty;
    table[at] = values[i];
  }
  return found;
}

// signature[h] = least value of the hash function h over the values.
template <int LANES>
void least(const u32* values, i64 count, const u32* factors, const u32* shifts, u32* signature) {
  u32 low[LANES];
  for (int h = 0; h < LANES; ++h) low[h] = ~0u;
  for (i64 i = 0; i < count; ++i) {
    u32 value = values[i];
    for (int h = 0; h < LANES; ++h) low[h] = std::min(low[h], value * factors[h] + shifts[h]);
  }
  for (int h = 0; h < LANES; ++h) signature[h] = low[h];
}

// Rows of a token store, each between a first and a last token of its own: row i is tokens[starts[i]], lengths[i] - 2
// of them, from out[ends[i]] on.
template <typename T>
void rows(const T* tokens, const i64* starts, const i64* ends, i64 number, i64 first, i64 last, i64* out) {
  for (i64 i = 0; i < number; ++i) {
    const T* from = tokens + starts[i];
    i64* to = out + ends[i];
    i64 inner = ends[i + 1] - ends[i] - 2;
    *to++ = first;
    for (i64 k = 0; k < inner; ++k) to[k] = from[k];
    to[inner] = last;
  }
}

}  // namespace

extern "C" {

void rows_u16(const uint16_t* tokens, const i64* starts, const i64* ends, i64 number, i64 first, i64 last, i64* out) {
  rows(tokens, starts, ends, number, first, last, out);
}

void rows_u32(const u32* tokens, const i64* starts, const i64* ends, i64 number, i64 first, i64 last, i64* out) {
  rows(tokens, starts, ends, number, first, last, out);
}

// Words of casefolded texts, joined with a separator: `ends[d]` is where the text after the d-th begins. Writes for
// each word its hash, the text it stands in, where it begins, whether it is a character alone; returns their number.
i64 words(const u32* codes, i64 length, const uint8_t* kinds, const i64* ends, i64 num_texts, const u64* powers,
          int characters, u64* hashes, i64* owners, i64* starts, uint8_t* alone) {
  i64 count = 0, text = 0;
  for (i64 at = 0; at < length;) {
    uint8_t kind = kinds[codes[at]];
    if (kind == SEPARATOR) {
      ++at;
      continue;
    }
    bool single = kind == ALONE || characters;
    u64 sum = mix(codes[at]) * powers[0];
    i64 begin = at++;
    // A letter behind a character of an unspaced script begins a word of its own, and the other way about.
    if (!single)
      for (; at < length && kinds[codes[at]] == LETTER; ++at)
        sum += mix(codes[at]) * powers[std::min<i64>(at - begin, PLACES - 1)];
    while (text < num_texts && begin >= ends[text]) ++text;
    hashes[count] = mix(sum);
    owners[count] = text;
    starts[count] = begin;
    alone[count++] = single;
  }
  return count;
}

// For each text (words `ends[d-1]` to `ends[d]`): `bands` hashes of `rows` least values each, and behind them the
// number of its different shingles.
void near_features(const u64* words, const i64* ends, i64 num_texts, int size, const u64* powers, int bands, int rows,
                   const u32* factors, const u32* shifts, u64* out) {
  std::vector<u64> hashes, table;
  std::vector<u32> values;
  u32 signature[128], all_factors[128] = {0}, all_shifts[128] = {0};
  std::copy(factors, factors + bands * rows, all_factors);
  std::copy(shifts, shifts + bands * rows, all_shifts);
  for (i64 text = 0, begin = 0; text < num_texts; begin = ends[text++]) {
    i64 count = ends[text] - begin;
    hashes.resize(count);
    i64 number = shingles_of(words + begin, count, size, powers, hashes.data());
    values.resize(number);
    for (i64 i = 0; i < number; ++i) values[i] = (u32)(hashes[i] >> 20);
    least<128>(values.data(), number, all_factors, all_shifts, signature);
    u64* row = out + text * (bands + 1);
    for (int band = 0; band < bands; ++band) {
      u64 hash = 0;
      for (int r = 0; r < rows; ++r) {
        hash = (hash ^ signature[band * rows + r]) * 0x9E3779B97F4A7C15ull;
        hash ^= hash >> 32;
      }
      row[band] = hash;
    }
    row[bands] = different(hashes.data(), number, table);
  }
}

// The sets of shingles of the texts, each sorted, one behind the other; `set_ends[d]` is where the d-th ends.
void shingle_sets(const u64* words, const i64* ends, i64 num_texts, int size, const u64* powers, u64* out,
                  i64* set_ends) {
  i64 written = 0;
  for (i64 text = 0, begin = 0; text < num_texts; begin = ends[text++]) {
    u64* first = out + written;
    u64* last = first + shingles_of(words + begin, ends[text] - begin, size, powers, first);
    std::sort(first, last);
    written = std::unique(first, last) - out;
    set_ends[text] = written;
  }
}

}  // extern "C"
