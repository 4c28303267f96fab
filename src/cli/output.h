/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing for people: colour, units, and text that came over the wire, of which nothing may
 * reach a terminal that the terminal would obey.
 */
#ifndef WEFT_CLI_OUTPUT_H
#define WEFT_CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_GOOD, STYLE_WARN, STYLE_BAD };

enum colour_choice { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER };

/* AUTO: colour where the stream is a terminal that has it and NO_COLOR is not set. */
void output_setup(enum colour_choice choice, bool exact);

/* Escape sequence that begins or ends a style on stdout or stderr; "" without colour. */
const char *output_style(FILE *stream, enum style style);
const char *output_plain(FILE *stream);

/* "weft: " message to stderr, in the colour of an error. */
void output_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void output_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Further lines of an error: what to do. */
void output_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the process when pointer is NULL; returns it otherwise. */
void *output_memory(void *pointer);
/* Formatted and malloced. */
char *output_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * A malloced copy fit for a terminal: control characters (C0, DEL, C1), line and paragraph
 * separators, what changes the direction of writing, and what is not UTF-8 become \xNN or
 * \u{N}. Newlines and tabs too, unless `lines`.
 */
char *output_clean(const char *text, size_t length, bool lines);
/* Columns that cleaned text takes on a terminal. */
unsigned output_width(const char *text);

/* Numbers with their unit, for tables: "9,999" is "9999", then "10.0k", "1.2M". size is that
 * of text. With `exact` (output_setup) all digits. */
#define OUTPUT_NUMBER 32
void output_count(uint64_t count, char text[OUTPUT_NUMBER]);
void output_bytes(uint64_t bytes, char text[OUTPUT_NUMBER]);
/* "0.4 s", "12 s", "3m 20s", "4h 10m", "12d 3h" */
void output_duration(double seconds, char text[OUTPUT_NUMBER]);
/* "1 port", "2 ports" */
char *output_plural(uint64_t count, const char *one, const char *many);

/* Flushes stdout. False, and told on stderr, when not all could be written. */
bool output_flush(void);

#endif
