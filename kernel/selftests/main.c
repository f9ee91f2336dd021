// SPDX-License-Identifier: GPL-2.0
/*
 * Runs all tests or those named and prints a line for each: result, name, duration, and for a failure what was expected
 * and seen. Each test runs in its own process under a watchdog: a request that the kernel loses must not stop the others.
 *
 * usage: urgent-tests [--list] [--factor N] [--seed N] [--rounds N] [NAME]...
 *   --factor N  a test, or a batch of a test with many, may take N times 5 s (default: estimated from the CPU)
 *   --seed N    seed of the random tests
 *   --rounds N  number of batches in each random test
 * A NAME that ends with '*' selects all tests with that prefix. Exit code: 0 for success, 1 if a test failed, 2 for bad
 * usage.
 */
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

enum { LIMIT_S = 5, SKIPPED = 77, ABSENT = 78 };

#define TEST(function, name, what) void function(void);
#include "tests.h"
#undef TEST

static const struct test {
	const char *name, *what;
	void (*run)(void);
} tests[] = {
#define TEST(function, name, what) { name, what, function },
#include "tests.h"
#undef TEST
};

#define TESTS (sizeof(tests) / sizeof(tests[0]))

unsigned rounds = 1500, factor;
uint64_t seed = 20250101;
char *doing;
static int report = 2; /* where a test writes why it ended */

static _Noreturn void end(int code, const char *format, va_list arguments)
{
	char text[2500];
	int n = vsnprintf(text, sizeof(text), format, arguments);

	if (n > 0 && write(report, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1) < 0)
		code = 1;
	_exit(code);
}

#define END(code)                         \
	va_list arguments;                \
	va_start(arguments, format);      \
	end(code, format, arguments)

_Noreturn void fail(const char *format, ...)
{
	END(1);
}

_Noreturn void skip(const char *format, ...)
{
	END(SKIPPED);
}

static _Noreturn void stop_absent(const char *format, ...)
{
	END(ABSENT);
}

_Noreturn void absent(const char *what)
{
	stop_absent("%s", what);
}

static uint64_t dice;

uint64_t throw_dice(void)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return dice;
}

unsigned below(unsigned limit)
{
	return (unsigned)(throw_dice() >> 16) % limit;
}

bool one_in(unsigned n)
{
	return below(n) == 0;
}

uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void pause_ms(unsigned ms)
{
	usleep(ms * 1000 * (factor > 2 ? 2 : 1));
}

char *read_text(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	if (!f)
		return NULL;
	if (getdelim(&text, &size, '\0', f) < 0) {
		free(text);
		text = strdup("");
	}
	fclose(f);
	return text;
}

bool write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "r+");
	bool done;

	if (!f)
		return false;
	done = fputs(text, f) >= 0;
	return fclose(f) == 0 && done;
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *at)
{
	(void)s;
	(void)type;
	(void)at;
	return remove(path);
}

/* The process of a test: its own group, so that its children end with it. */
static _Noreturn void child(const struct test *t, int out, const char *directory)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	report = out;
	dice = seed | 1;
	if (chdir(directory))
		fail("chdir to %s: %s", directory, strerror(errno));
	t->run();
	_exit(0);
}

/* Waits for a child, with a limit in milliseconds for each of its steps. Returns whether it ended. */
static bool await(pid_t pid, int *status, uint64_t patience)
{
	static char last[DOING_SIZE];
	uint64_t since = now_ms();

	while (waitpid(pid, status, WNOHANG) == 0) {
		if (strncmp(last, doing, DOING_SIZE)) {
			memcpy(last, doing, DOING_SIZE);
			since = now_ms();
		}
		if (now_ms() - since > patience)
			return false;
		usleep(2000);
	}
	return true;
}

static bool run(const struct test *t)
{
	char why[2600] = "", directory[] = "urgent-tests.XXXXXX";
	const char *verdict = "FAIL";
	uint64_t begun = now_ms();
	int pipe_of[2], status = 0;
	pid_t pid;

	doing[0] = '\0';
	if (pipe(pipe_of) || !mkdtemp(directory) || (pid = fork()) < 0) {
		perror("urgent-tests");
		exit(2);
	}
	if (pid == 0)
		child(t, pipe_of[1], directory);
	close(pipe_of[1]);
	if (!await(pid, &status, LIMIT_S * 1000ULL * factor)) {
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL);
		snprintf(why, sizeof(why), "expected to end, saw no progress for %u s%s%s%s", LIMIT_S * factor,
			 await(pid, &status, 10000) ? "" : "; SIGKILL does not end it",
			 doing[0] ? "; last step: " : "", doing);
	} else {
		kill(-pid, SIGKILL);
		if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
			ssize_t n = read(pipe_of[0], why, sizeof(why) - 1);

			why[n > 0 ? n : 0] = '\0';
		}
		if (WIFSIGNALED(status))
			snprintf(why, sizeof(why), "expected to end by itself, saw signal %d", WTERMSIG(status));
		else if (WEXITSTATUS(status) == SKIPPED)
			verdict = "skip";
		else if (WEXITSTATUS(status) == ABSENT)
			verdict = "absent";
		else if (WEXITSTATUS(status) == 0)
			verdict = "pass";
	}
	close(pipe_of[0]);
	nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	printf("%-6s %-26s %6llu ms%s%s\n", verdict, t->name, (unsigned long long)(now_ms() - begun), why[0] ? "  " : "",
	       why);
	return strcmp(verdict, "FAIL") != 0;
}

static bool matches(const struct test *t, const char *name)
{
	size_t n = strlen(name);

	return n && name[n - 1] == '*' ? strncmp(t->name, name, n - 1) == 0 : strcmp(t->name, name) == 0;
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t value = text ? strtoull(text, &end, 0) : 0;

	if (!text || end == text || *end || !value) {
		fprintf(stderr, "urgent-tests: expected a number above 0, not %s\n", text ? text : "nothing");
		exit(2);
	}
	return value;
}

/* An emulated CPU is about ten times slower, and a kernel with KASAN is slower still. */
static unsigned guess_factor(void)
{
	char *cpu = read_text("/proc/cpuinfo"), *symbols = read_text("/proc/kallsyms");
	unsigned n = 1;

	if (cpu && strstr(cpu, "TCG"))
		n *= 6;
	if (symbols && strstr(symbols, " kasan_report\n"))
		n *= 5;
	free(cpu);
	free(symbols);
	return n;
}

int main(int argc, char **argv)
{
	bool chosen[TESTS] = { false }, all = true, fine = true;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++) {
		bool known = false;

		if (!strcmp(argv[i], "--list")) {
			for (size_t t = 0; t < TESTS; t++)
				printf("%-26s %s\n", tests[t].name, tests[t].what);
			return 0;
		} else if (!strcmp(argv[i], "--factor")) {
			factor = (unsigned)number(argv[++i]);
		} else if (!strcmp(argv[i], "--seed")) {
			seed = number(argv[++i]);
		} else if (!strcmp(argv[i], "--rounds")) {
			rounds = (unsigned)number(argv[++i]);
		} else {
			for (size_t t = 0; t < TESTS; t++)
				if (matches(&tests[t], argv[i]))
					chosen[t] = known = true;
			if (!known) {
				fprintf(stderr, "urgent-tests: unknown test %s; see --list\n", argv[i]);
				return 2;
			}
			all = false;
		}
	}
	if (!factor)
		factor = guess_factor();
	doing = mmap(NULL, DOING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (doing == MAP_FAILED) {
		perror("urgent-tests");
		return 2;
	}
	for (size_t t = 0; t < TESTS; t++)
		if (all || chosen[t])
			fine &= run(&tests[t]);
	return fine ? 0 : 1;
}
