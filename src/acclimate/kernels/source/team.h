// Threads that go through the same phases of work together, each phase cut into tasks that are claimed as one comes by.
//
// Nobody waits for a thread that has claimed nothing: on a busy machine a stolen core delays only the tasks it holds.
#pragma once
#include <atomic>
#include <vector>
#if defined(_OPENMP)
#include <sched.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

struct alignas(64) Phase {
  std::atomic<int> claimed{0}, done{0};
};

class Team {
  std::vector<Phase>* phases;  // null: one thread works alone
  size_t next = 0;

 public:
  const int size;
  Team() : phases(nullptr), size(1) {}
  Team(std::vector<Phase>* shared, int size_) : phases(shared), size(size_) {}

  // task(0) … task(count - 1), all of them done on return. Every thread must come by with the same count.
  template <class Task>
  void each(int count, Task task) {
    if (!phases) {
      for (int i = 0; i < count; i++) task(i);
      return;
    }
    Phase& phase = (*phases)[next++];
    int mine = 0;
    for (int i; (i = phase.claimed.fetch_add(1, std::memory_order_relaxed)) < count; mine++) task(i);
    if (mine) phase.done.fetch_add(mine, std::memory_order_release);
    for (int spins = 0; phase.done.load(std::memory_order_acquire) < count; spins++) {
#if defined(__x86_64__)
      _mm_pause();
#endif
#if defined(_OPENMP)
      if (spins > 2000) sched_yield();  // the thread that is waited for may need this very core
#endif
    }
  }
};
