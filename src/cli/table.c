/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/table.h"

#include <stdlib.h>
#include <string.h>

#define COLUMN_LIMIT 16

struct cell {
	char *text;
	unsigned width;
	enum style style;
};

/* Cells in the order in which they came. */
struct cells {
	struct cell *list;
	size_t count, room;
};

struct table {
	unsigned columns;
	struct {
		const char *heading;
		enum table_align align;
		unsigned width;
	} column[COLUMN_LIMIT];
	struct cells cells, notes;
};

struct table *
table_new(void)
{
	return output_memory(calloc(1, sizeof(struct table)));
}

static void
cells_free(struct cells *cells)
{
	for (size_t i = 0; i < cells->count; i++)
		free(cells->list[i].text);
	free(cells->list);
}

void
table_free(struct table *table)
{
	if (table == NULL)
		return;
	cells_free(&table->cells);
	cells_free(&table->notes);
	free(table);
}

void
table_column(struct table *table, const char *heading, enum table_align align)
{
	unsigned i = table->columns;

	if (i == COLUMN_LIMIT)
		return;
	table->column[i].heading = heading;
	table->column[i].align = align;
	table->column[i].width = output_width(heading);
	table->columns++;
}

static struct cell *
cells_add(struct cells *cells, enum style style, const char *text)
{
	struct cell *cell;

	if (cells->count == cells->room) {
		cells->room = cells->room == 0 ? 64 : cells->room * 2;
		cells->list = output_memory(
			reallocarray(cells->list, cells->room, sizeof(cells->list[0])));
	}
	cell = &cells->list[cells->count++];
	cell->text = output_clean(text, strlen(text), false);
	cell->width = output_width(cell->text);
	cell->style = style;
	return cell;
}

void
table_cell(struct table *table, enum style style, const char *text)
{
	size_t column = table->cells.count % table->columns;
	struct cell *cell =
		cells_add(&table->cells, style, text == NULL || *text == '\0' ? "-" : text);

	if (cell->width > table->column[column].width)
		table->column[column].width = cell->width;
}

void
table_note(struct table *table, enum style style, const char *text)
{
	cells_add(&table->notes, style, text);
}

unsigned
table_rows(const struct table *table)
{
	return (unsigned)(table->cells.count / table->columns);
}

/* The last column is not padded: no spaces at the ends of lines. */
static void
print_cell(const struct table *table, unsigned column, const char *text, unsigned text_width,
	enum style style, FILE *stream)
{
	unsigned space = table->column[column].width - text_width;
	bool right = table->column[column].align == TABLE_RIGHT;

	fprintf(stream, "%*s%s%s%s", right ? (int)space : 0, "", output_style(stream, style), text,
		style == STYLE_PLAIN ? "" : output_plain(stream));
	if (column + 1 < table->columns)
		fprintf(stream, "%*s", (right ? 0 : (int)space) + 2, "");
	else
		fputc('\n', stream);
}

void
table_print(const struct table *table, FILE *stream)
{
	size_t whole = table->cells.count - table->cells.count % table->columns;

	for (unsigned i = 0; whole > 0 && i < table->columns; i++)
		print_cell(table, i, table->column[i].heading,
			output_width(table->column[i].heading), STYLE_BOLD, stream);
	for (size_t i = 0; i < whole; i++) {
		const struct cell *cell = &table->cells.list[i];

		print_cell(table, (unsigned)(i % table->columns), cell->text, cell->width,
			cell->style, stream);
	}
	for (size_t i = 0; i < table->notes.count; i++)
		fprintf(stream, "%s%s%s\n", output_style(stream, table->notes.list[i].style),
			table->notes.list[i].text, output_plain(stream));
}
