/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log lines for the person who runs weft: one line each, to standard error, with the
 * journal's <N> priority prefix when standard error is the journal. Any thread may log;
 * nothing on the data path does.
 */
#ifndef WEFT_BASE_LOG_H
#define WEFT_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* The default is LOG_LEVEL_WARNING, fit for a library. */
void log_set_level(enum log_level level);

/* Standard error is the journal. */
bool log_to_journal(void);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
