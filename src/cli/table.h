/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tables for people: a header, columns two spaces apart, numbers to the right, and notes
 * under it (why something is degraded).
 */
#ifndef WEFT_CLI_TABLE_H
#define WEFT_CLI_TABLE_H

#include "cli/output.h"

enum table_align { TABLE_LEFT, TABLE_RIGHT };

struct table;

struct table *table_new(void);
void table_free(struct table *table);

/* All columns come before the first cell. The heading is not copied. */
void table_column(struct table *table, const char *heading, enum table_align align);
/* The next cell, row by row; the text is cleaned and copied. NULL and "" show as "-". */
void table_cell(struct table *table, enum style style, const char *text);
/* A line under the table; cleaned and copied. */
void table_note(struct table *table, enum style style, const char *text);

unsigned table_rows(const struct table *table);
/* Without headings when there is no row; notes in any case. */
void table_print(const struct table *table, FILE *stream);

#endif
