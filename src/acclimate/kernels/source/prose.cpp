// Figures of prose by which documents are judged: the same as the plain code in acclimate/corpus/clean gives.
#include <algorithm>
#include <cstdint>
#include <vector>

using i64 = int64_t;
using u64 = uint64_t;
using u32 = uint32_t;

namespace {

enum Flag : uint8_t { SPACE = 1, LETTER = 2, HAN = 4, BULLET = 8 };
const u64 BASE = 0x9E3779B97F4A7C15ull;  // odd, for hashes of sequences
const u32 NEWLINE = '\n', DOT = '.', ELLIPSIS = 0x2026, HASH = '#';

inline u64 mix(u64 x) {
  x ^= x >> 33;
  x *= 0xFF51AFD7ED558CCDull;
  x ^= x >> 33;
  x *= 0xC4CEB9FE1A85EC53ull;
  return x ^ (x >> 33);
}

inline u64 hash_of(const u32* codes, i64 count) {
  u64 hash = (u64)count + 1;
  for (i64 i = 0; i < count; ++i) hash = (hash ^ codes[i]) * BASE;
  return mix(hash) | 1;  // 0 is an empty place
}

// Hashes seen so far and how often, by open addressing.
class Table {
 public:
  void begin(i64 most) {
    size_t size = 16;
    while (size < 2 * (size_t)most) size *= 2;
    mask_ = size - 1;
    places_.assign(size, Place{0, 0});
  }
  // How often the hash was there before.
  i64 add(u64 hash) {
    size_t at = hash >> 20 & mask_;
    while (places_[at].hash && places_[at].hash != hash) at = (at + 1) & mask_;
    places_[at].hash = hash;
    return places_[at].count++;
  }

 private:
  struct Place {
    u64 hash;
    i64 count;
  };
  std::vector<Place> places_;
  size_t mask_ = 0;
};

struct Scratch {
  Table table;
  std::vector<u64> units, prefixes;  // hash of each word or character; of all of them up to each
  std::vector<i64> ends;             // characters up to each
  std::vector<char> covered;
};

void strip(const u32* codes, const uint8_t* flags, i64& first, i64& last) {
  while (first < last && flags[codes[first]] & SPACE) ++first;
  while (last > first && flags[codes[last - 1]] & SPACE) --last;
}

// Of parts that `breaks` newlines in a row divide: {share of parts, share of characters} that stood before.
void repeated(const u32* codes, i64 length, const uint8_t* flags, int breaks, Table& table, double* out) {
  i64 count = 0, characters = 0, repeats = 0, repeated = 0, newlines = 0;
  for (i64 i = 0; i < length; ++i) newlines += codes[i] == NEWLINE;
  table.begin(newlines + 1);
  for (i64 start = 0; start <= length;) {
    i64 end = start;
    while (end < length && !(codes[end] == NEWLINE && (breaks == 1 || (end + 1 < length && codes[end + 1] == NEWLINE))))
      ++end;
    i64 first = start, last = end;
    start = end + breaks;
    if (end == length) start = length + 1;
    strip(codes, flags, first, last);
    if (first == last) continue;
    ++count;
    characters += last - first;
    if (table.add(hash_of(codes + first, last - first))) {
      ++repeats;
      repeated += last - first;
    }
  }
  out[0] = count ? (double)repeats / (double)count : 0.0;
  out[1] = count ? (double)repeated / (double)characters : 0.0;
}

inline u64 ngram(const Scratch& s, i64 at, i64 n, u64 power) {
  return mix(s.prefixes[at + n] - s.prefixes[at] * power) | 1;
}

inline u64 power_of(i64 n) {
  u64 power = 1;
  for (i64 i = 0; i < n; ++i) power *= BASE;
  return power;
}

// Share of characters in the occurrences of the most frequent n-gram, the longest of them.
double top_share(Scratch& s, i64 n) {
  i64 units = (i64)s.units.size();
  if (units <= n) return 0.0;
  u64 power = power_of(n);
  s.table.begin(units);
  i64 most = 0, size = 0;
  for (i64 at = 0; at + n <= units; ++at) {
    i64 count = s.table.add(ngram(s, at, n, power)) + 1, length = s.ends[at + n] - s.ends[at];
    if (count > most || (count == most && length > size)) most = count, size = length;
  }
  return most < 2 ? 0.0 : std::min(1.0, (double)(most * size) / (double)s.ends.back());
}

// Share of characters in n-grams that stood before, overlaps counted once.
double duplicate_share(Scratch& s, i64 n) {
  i64 units = (i64)s.units.size();
  if (units <= n) return 0.0;
  u64 power = power_of(n);
  s.table.begin(units);
  i64 covered = 0, done = 0;  // characters; units up to which they are counted
  for (i64 at = 0; at + n <= units; ++at) {
    if (!s.table.add(ngram(s, at, n, power))) continue;
    i64 from = std::max(at, done);
    covered += s.ends[at + n] - s.ends[from];
    done = at + n;
  }
  return (double)covered / (double)s.ends.back();
}

const char* const STOP_WORDS[] = {"the", "be", "to", "of", "and", "that", "have", "with"};

int stop_word(const u32* codes, i64 length) {
  if (length < 2 || length > 4) return 0;
  for (int number = 0; number < 8; ++number) {
    const char* word = STOP_WORDS[number];
    i64 at = 0;
    while (at < length && word[at] && codes[at] < 128 && (codes[at] | 32) == (u32)word[at]) ++at;
    if (at == length && !word[at]) return 1 << number;
  }
  return 0;
}

void lines_of(const u32* codes, i64 length, const uint8_t* flags, double* out) {
  i64 lines = 0, bullets = 0, ellipses = 0;
  for (i64 start = 0; start <= length;) {
    i64 end = std::find(codes + start, codes + length, NEWLINE) - codes;
    i64 first = start, last = end;
    start = end + 1;
    strip(codes, flags, first, last);
    if (first == last) continue;
    ++lines;
    bullets += (flags[codes[first]] & BULLET) != 0;
    ellipses += codes[last - 1] == ELLIPSIS ||
                (last - first >= 3 && codes[last - 1] == DOT && codes[last - 2] == DOT && codes[last - 3] == DOT);
  }
  out[0] = (double)lines, out[1] = (double)bullets, out[2] = (double)ellipses;
}

}  // namespace

extern "C" {

// For each text, in columns: Han characters, letters, characters that are no space, words, words with a letter, which
// stop words (bits), `#`, `...`, `…`, lines, those that begin with a bullet, those that end in an ellipsis; and with
// `repetition` the shares {lines, their characters, paragraphs, their characters} that stood before, of the top
// n-grams, and of repeated n-grams up to the first that is at most `least`. In Chinese, where Han are more than
// `chinese_from` of letters, an n-gram of words is one of `stretch` times as many characters.
void prose(const u32* all, const i64* ends, i64 num_texts, const uint8_t* flags, const i64* top, i64 num_top,
           const i64* duplicate, i64 num_duplicate, double least, double chinese_from, i64 stretch, int repetition,
           double* out) {
  Scratch s;
  const i64 columns = 16 + num_top + num_duplicate;
  for (i64 text = 0; text < num_texts; ++text) {
    i64 begin = text ? ends[text - 1] : 0, length = ends[text] - begin;
    const u32* codes = all + begin;
    double* row = out + text * columns;
    std::fill(row, row + columns, 0.0);
    i64 han = 0, letters = 0, dark = 0, words = 0, lettered = 0, stops = 0, hashes = 0, dots = 0, signs = 0;
    for (i64 at = 0; at < length;) {
      if (flags[codes[at]] & SPACE) {
        ++at;
        continue;
      }
      i64 start = at, before = letters;
      for (; at < length && !(flags[codes[at]] & SPACE); ++at) {
        uint8_t flag = flags[codes[at]];
        han += (flag & HAN) != 0;
        letters += (flag & LETTER) != 0;
        hashes += codes[at] == HASH;
        signs += codes[at] == ELLIPSIS;
      }
      for (i64 i = start; i + 2 < at;)
        if (codes[i] == DOT && codes[i + 1] == DOT && codes[i + 2] == DOT) ++dots, i += 3;
        else ++i;
      dark += at - start;
      ++words;
      lettered += letters > before;
      stops |= stop_word(codes + start, at - start);
    }
    i64 figures[] = {han, letters, dark, words, lettered, stops, hashes, dots, signs};
    std::copy(figures, figures + 9, row);
    lines_of(codes, length, flags, row + 9);
    if (!repetition) continue;
    repeated(codes, length, flags, 1, s.table, row + 12);
    repeated(codes, length, flags, 2, s.table, row + 14);
    bool chinese = han > 0 && (double)han > chinese_from * (double)letters;
    s.units.clear();
    s.ends.assign(1, 0);
    for (i64 at = 0; at < length;) {
      i64 start = at;
      if (flags[codes[at]] & SPACE) {
        ++at;
        continue;
      }
      do ++at;
      while (!chinese && at < length && !(flags[codes[at]] & SPACE));
      s.units.push_back(hash_of(codes + start, at - start));
      s.ends.push_back(s.ends.back() + at - start);
    }
    s.prefixes.assign(1, 0);
    for (u64 unit : s.units) s.prefixes.push_back(s.prefixes.back() * BASE + unit);
    i64 times = chinese ? stretch : 1;
    for (i64 i = 0; i < num_top; ++i) row[16 + i] = top_share(s, top[i] * times);
    for (i64 i = 0; i < num_duplicate; ++i)
      if ((row[16 + num_top + i] = duplicate_share(s, duplicate[i] * times)) <= least) break;
  }
}

}  // extern "C"
