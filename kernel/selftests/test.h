/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a test has at hand. A test is a function without arguments: it returns if it passed. It runs in a process
 * and a directory of its own, so that it may leave things behind, and a watchdog ends it.
 */
#ifndef TEST_H
#define TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How else a test ends: none of these returns. absent() is for what only a kernel with the patches has. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void absent(const char *what);

#define expect(condition, ...)             \
	do {                               \
		if (!(condition))          \
			fail(__VA_ARGS__); \
	} while (0)

/* That a number is what it should be. */
#define expect_is(what, wanted, seen)                                                          \
	do {                                                                                   \
		long long wanted_ = (wanted), seen_ = (seen);                                  \
		expect(wanted_ == seen_, "%s: expected %lld, saw %lld", what, wanted_, seen_); \
	} while (0)

/* What main.c was told: how often random tests try, where their dice begin, how slow this machine is. */
extern unsigned rounds, factor;
extern uint64_t seed;

/* What a test is at, for the case that the watchdog ends it. */
enum { DOING_SIZE = 2000 };
extern char *doing;

/* Dice (xorshift): the same seed gives the same throws. */
uint64_t throw_dice(void);
unsigned below(unsigned limit);
bool one_in(unsigned n);

/* Milliseconds of a clock that only goes forward; and a pause, longer on a slow machine. */
uint64_t now_ms(void);
void pause_ms(unsigned ms);

/* All of a small file, or NULL; whether a string could be written to a file that exists. */
char *read_text(const char *path);
bool write_text(const char *path, const char *text);

#endif
