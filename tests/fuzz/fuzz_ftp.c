/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes of an FTP control connection, of both sides: the first byte says who has said the rest.
 * What is announced lies in its line, and what is written in its place reads as the same again.
 */
#include "firewall/ftp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void
check_again(const struct ftp_line *line, bool by_server, const struct ftp_announcement *said)
{
	const uint8_t ip[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 };
	struct ftp_announcement again;
	struct ftp_line other = { 0 };
	char text[FTP_TEXT];
	size_t length = ftp_write(said, ip, 40000, text);

	require(length < sizeof(text) && length == strlen(text), "the text is too long");
	for (size_t i = 0; i < said->begin; i++)
		ftp_take(&other, line->text[i]);
	for (size_t i = 0; i < length; i++)
		ftp_take(&other, text[i]);
	for (size_t i = said->end; i < line->length; i++)
		ftp_take(&other, line->text[i]);
	if (other.too_long)
		return;
	ftp_read(&other, by_server, &again);
	require(again.kind == said->kind && again.port == 40000 && again.family == said->family,
		"it reads otherwise");
	require(said->family == 0 || memcmp(again.ip, ip, said->family == 4 ? 4 : 16) == 0,
		"it reads as another's address");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ftp_announcement announcement;
	struct ftp_line line = { 0 };
	bool by_server;

	if (size == 0)
		return 0;
	by_server = data[0] & 1;
	for (size_t i = 1; i < size; i++) {
		if (!ftp_take(&line, (char)data[i]))
			continue;
		require(line.length <= FTP_LINE, "the line is too long");
		ftp_read(&line, by_server, &announcement);
		require(announcement.begin <= announcement.end && announcement.end <= line.length,
			"it is not in its line");
		if (announcement.begin < announcement.end)
			check_again(&line, by_server, &announcement);
	}
	return 0;
}
