/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

static bool colour_stdout, colour_stderr, exact_numbers;

static bool
terminal_has_colour(int descriptor)
{
	const char *none = getenv("NO_COLOR"), *terminal = getenv("TERM");

	if (none != NULL && none[0] != '\0') /* no-color.org */
		return false;
	return isatty(descriptor) == 1 && terminal != NULL && strcmp(terminal, "dumb") != 0;
}

void
output_setup(enum colour_choice choice, bool exact)
{
	exact_numbers = exact;
	colour_stdout = choice == COLOUR_AUTO ? terminal_has_colour(STDOUT_FILENO)
					      : choice == COLOUR_ALWAYS;
	colour_stderr = choice == COLOUR_AUTO ? terminal_has_colour(STDERR_FILENO)
					      : choice == COLOUR_ALWAYS;
}

static bool
coloured(FILE *stream)
{
	return stream == stderr ? colour_stderr : colour_stdout;
}

const char *
output_style(FILE *stream, enum style style)
{
	static const char *const sequences[] = {
		[STYLE_PLAIN] = "",
		[STYLE_BOLD] = "\033[1m",
		[STYLE_DIM] = "\033[2m",
		[STYLE_GOOD] = "\033[32m",
		[STYLE_WARN] = "\033[33m",
		[STYLE_BAD] = "\033[31m",
	};

	return coloured(stream) ? sequences[style] : "";
}

const char *
output_plain(FILE *stream)
{
	return coloured(stream) ? "\033[0m" : "";
}

static void
told(enum style style, const char *word, const char *format, va_list args)
{
	fflush(stdout);
	fprintf(stderr, "weft: %s%s%s", output_style(stderr, style), word, output_plain(stderr));
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

void
output_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	told(STYLE_BAD, "error: ", format, args);
	va_end(args);
}

void
output_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	told(STYLE_WARN, "warning: ", format, args);
	va_end(args);
}

void
output_hint(const char *format, ...)
{
	va_list args;

	fputs("  ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

void *
output_memory(void *pointer)
{
	if (pointer != NULL)
		return pointer;
	fputs("weft: error: out of memory\n", stderr);
	exit(1);
}

char *
output_format(const char *format, ...)
{
	va_list args;
	char *text = NULL;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return output_memory(text);
}

/*
 * One code point of UTF-8 (RFC 3629: no overlong forms, no surrogates). Returns its bytes,
 * 0 when they are not UTF-8.
 */
static unsigned
utf8_decode(const unsigned char *bytes, size_t length, uint32_t *point)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned n = bytes[0] < 0x80   ? 1
		     : bytes[0] < 0xc2 ? 0
		     : bytes[0] < 0xe0 ? 2
		     : bytes[0] < 0xf0 ? 3
		     : bytes[0] < 0xf5 ? 4
				       : 0;

	if (n == 0 || n > length)
		return 0;
	*point = n == 1 ? bytes[0] : bytes[0] & (0x7fu >> n);
	for (unsigned i = 1; i < n; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		*point = *point << 6 | (bytes[i] & 0x3f);
	}
	if (*point < least[n] || *point > 0x10ffff || (*point >= 0xd800 && *point < 0xe000))
		return 0;
	return n;
}

/* What a terminal obeys, or what makes text read other than it is. */
static bool
dangerous(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x061c ||
	       (point >= 0x200b && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
	       (point >= 0x2060 && point <= 0x206f) || point == 0xfeff ||
	       (point >= 0xfff9 && point <= 0xfffb) || (point >= 0xe0000 && point < 0xe0080);
}

char *
output_clean(const char *text, size_t length, bool lines)
{
	const unsigned char *bytes = (const unsigned char *)text;
	char *clean = NULL;
	size_t size = 0;
	FILE *stream = output_memory(open_memstream(&clean, &size));

	for (size_t i = 0; i < length;) {
		uint32_t point = 0;
		unsigned n = utf8_decode(bytes + i, length - i, &point);

		if (n == 0)
			fprintf(stream, "\\x%02x", bytes[i]);
		else if (lines && (point == '\n' || point == '\t'))
			fputc((int)point, stream);
		else if (dangerous(point))
			fprintf(stream, point < 0x100 ? "\\x%02x" : "\\u{%x}", point);
		else
			fwrite(bytes + i, 1, n, stream);
		i += n == 0 ? 1 : n;
	}
	if (fclose(stream) != 0)
		output_memory(NULL);
	return output_memory(clean);
}

unsigned
output_width(const char *text)
{
	size_t length = strlen(text);
	unsigned width = 0;

	for (size_t i = 0; i < length;) {
		uint32_t point = 0;
		unsigned n = utf8_decode((const unsigned char *)text + i, length - i, &point);
		int columns = n < 2 ? 1 : wcwidth((wchar_t)point);

		width += columns < 0 ? 1 : (unsigned)columns;
		i += n == 0 ? 1 : n;
	}
	return width;
}

static void
scaled(uint64_t number, const char *suffix, char text[OUTPUT_NUMBER])
{
	static const char units[] = "kMGTPE";
	double value = (double)number;
	unsigned unit = 0;

	if (number < 10000 || exact_numbers) {
		snprintf(text, OUTPUT_NUMBER, "%llu%s", (unsigned long long)number, suffix);
		return;
	}
	for (value /= 1000; value >= 999.5 && unit + 2 < sizeof(units); unit++)
		value /= 1000;
	snprintf(text, OUTPUT_NUMBER, value < 99.95 ? "%.1f%c%s" : "%.0f%c%s", value, units[unit],
		suffix);
}

void
output_count(uint64_t count, char text[OUTPUT_NUMBER])
{
	scaled(count, "", text);
}

void
output_bytes(uint64_t bytes, char text[OUTPUT_NUMBER])
{
	scaled(bytes, exact_numbers ? "" : "B", text);
}

void
output_duration(double seconds, char text[OUTPUT_NUMBER])
{
	uint64_t whole = seconds < 0 || !(seconds < 1e15) ? 0 : (uint64_t)seconds;
	unsigned long long days = whole / 86400, hours = whole / 3600 % 24,
			   minutes = whole / 60 % 60, rest = whole % 60;

	if (seconds > 0 && seconds < 10 && seconds != (double)whole)
		snprintf(text, OUTPUT_NUMBER, "%.1f s", seconds);
	else if (whole < 60)
		snprintf(text, OUTPUT_NUMBER, "%llu s", rest);
	else if (whole < 3600)
		snprintf(text, OUTPUT_NUMBER, "%llum %llus", minutes, rest);
	else if (whole < 86400)
		snprintf(text, OUTPUT_NUMBER, "%lluh %llum", hours, minutes);
	else
		snprintf(text, OUTPUT_NUMBER, "%llud %lluh", days, hours);
}

char *
output_plural(uint64_t count, const char *one, const char *many)
{
	return output_format("%llu %s", (unsigned long long)count, count == 1 ? one : many);
}

bool
output_flush(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	if (errno != EPIPE)
		output_error("cannot write the output: %s", strerror(errno));
	return errno == EPIPE;
}
