/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Helpers for tests. A test is a function without arguments that returns if it passed. It runs in its own process and
 * directory, so that it may leave files behind, and a watchdog ends it.
 */
#ifndef TEST_H
#define TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Other ways to end a test; none of these returns. absent() is for features that need the patches. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void absent(const char *what);

#define expect(condition, ...)             \
	do {                               \
		if (!(condition))          \
			fail(__VA_ARGS__); \
	} while (0)

/* Checks that a number has the expected value. */
#define expect_is(what, wanted, seen)                                                          \
	do {                                                                                   \
		long long wanted_ = (wanted), seen_ = (seen);                                  \
		expect(wanted_ == seen_, "%s: expected %lld, saw %lld", what, wanted_, seen_); \
	} while (0)

/* Set by main.c: number of tries of the random tests, their seed, and how slow this machine is. */
extern unsigned rounds, factor;
extern uint64_t seed;

/* The current step of a test, shown if the watchdog ends it. */
enum { DOING_SIZE = 2000 };
extern char *doing;

/* Random numbers (xorshift): the same seed gives the same sequence. */
uint64_t throw_dice(void);
unsigned below(unsigned limit);
bool one_in(unsigned n);

/* Milliseconds of a monotonic clock; and a pause, longer on a slow machine. */
uint64_t now_ms(void);
void pause_ms(unsigned ms);

/* Returns the contents of a small file, or NULL; returns whether a string was written to an existing file. */
char *read_text(const char *path);
bool write_text(const char *path, const char *text);

#endif
