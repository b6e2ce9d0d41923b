// Threads that go through the same phases of work together, each phase cut into tasks that are claimed as one comes by.
//
// Nobody waits for a thread that has claimed nothing. A helper that sleeps or whose core is taken costs only its share:
// the caller begins at once and does what nobody else does. So helpers may go to sleep soon after a call, and leave the
// processor to others; OpenMP's, which a caller has to wait for, would have to spin (measured on two cores under a
// server's load: a whole core, on which the requests could have been read).
#pragma once
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

static inline void breathe() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

class Helpers {
  typedef std::function<void(int)> Work;
  struct Job {
    const Work* work;
    int places;  // for helpers that have not come yet
    int rank = 0;
    std::atomic<int> inside{0};
  };
  std::mutex lock;
  std::condition_variable called;
  std::vector<Job*> open;
  std::atomic<int> calls{0};
  int number = 0;

  static constexpr std::chrono::microseconds AWAKE{60};  // after work, in case more follows at once

  void help() {
    for (int seen = -1;;) {
      const auto until = std::chrono::steady_clock::now() + AWAKE;
      while (calls.load(std::memory_order_relaxed) == seen && std::chrono::steady_clock::now() < until)
        for (int i = 0; i < 32; i++) breathe();
      std::unique_lock<std::mutex> held(lock);
      called.wait(held, [this] { return !open.empty(); });
      seen = calls;
      Job* job = open.front();
      const int rank = ++job->rank;
      if (rank == job->places) open.erase(open.begin());
      job->inside++;
      held.unlock();
      (*job->work)(rank);
      job->inside.fetch_sub(1, std::memory_order_release);
    }
  }

 public:
  // work(0) here and now; work(1) … work(threads - 1) where and when helpers come by, perhaps never. Work must not
  // throw: what it needs is allocated before.
  void run(int threads, const Work& work) {
    Job job{&work, threads - 1};
    {
      std::lock_guard<std::mutex> held(lock);
      try {
        for (; number < threads - 1; number++) std::thread(&Helpers::help, this).detach();
      } catch (const std::system_error&) {  // no more threads to be had: fewer do
      }
      open.push_back(&job);
      calls++;
    }
    called.notify_all();
    work(0);
    {
      std::lock_guard<std::mutex> held(lock);
      open.erase(std::remove(open.begin(), open.end(), &job), open.end());
    }
    for (int spins = 0; job.inside.load(std::memory_order_acquire); spins++) spins < 2000 ? breathe() : std::this_thread::yield();
  }
  static Helpers& all() {
    static Helpers* helpers = new Helpers;  // never ended: its threads sleep in it
    return *helpers;
  }
};

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

  // task(0) … task(count - 1), all of them done on return. Every thread comes by with the same count.
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
    for (int spins = 0; phase.done.load(std::memory_order_acquire) < count; spins++)
      spins < 2000 ? breathe() : std::this_thread::yield();  // who is waited for may need this very core
  }
};
