/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/ftp.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

bool
ftp_take(struct ftp_line *line, char byte)
{
	static const struct ftp_line empty;

	/* the one before has been read */
	if (line->length > 0 && line->text[line->length - 1] == '\n')
		*line = empty;
	if (line->length == FTP_LINE) {
		line->too_long = true;
		line->length = FTP_LINE - 1;
	}
	line->text[line->length++] = byte;
	return byte == '\n';
}

/* ---- reading ----------------------------------------------------------------------------------
 */

/* What is left of a line. */
struct rest {
	const char *at, *end;
};

static bool
is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

/* At most so large, of at most five digits. */
static bool
read_number(struct rest *rest, unsigned most, unsigned *number)
{
	const char *begin = rest->at;

	*number = 0;
	while (rest->at < rest->end && is_digit(*rest->at) && rest->at - begin < 5)
		*number = *number * 10 + (unsigned)(*rest->at++ - '0');
	return rest->at > begin && *number <= most &&
	       (rest->at == rest->end || !is_digit(*rest->at));
}

static bool
read_byte(struct rest *rest, char byte)
{
	if (rest->at == rest->end || *rest->at != byte)
		return false;
	rest->at++;
	return true;
}

/* "h1,h2,h3,h4,p1,p2" */
static bool
read_six(struct rest *rest, struct ftp_announcement *announcement)
{
	unsigned numbers[6];

	for (unsigned i = 0; i < 6; i++)
		if ((i > 0 && !read_byte(rest, ',')) || !read_number(rest, 255, &numbers[i]))
			return false;
	announcement->family = 4;
	for (unsigned i = 0; i < 4; i++)
		announcement->ip[i] = (uint8_t)numbers[i];
	announcement->port = (uint16_t)(numbers[4] << 8 | numbers[5]);
	return true;
}

/* The mark that stands between the fields: RFC 2428, 2. */
static bool
read_mark(struct rest *rest, char *mark)
{
	if (rest->at == rest->end || *rest->at < 33 || *rest->at > 126 || is_digit(*rest->at))
		return false;
	*mark = *rest->at++;
	return true;
}

static bool
read_address(struct rest *rest, char mark, unsigned family, uint8_t ip[16])
{
	char text[INET6_ADDRSTRLEN];
	size_t length = 0;

	while (rest->at < rest->end && *rest->at != mark && length + 1 < sizeof(text))
		text[length++] = *rest->at++;
	text[length] = '\0';
	return inet_pton(family == 4 ? AF_INET : AF_INET6, text, ip) == 1;
}

/* "|1|192.0.2.1|6275|", "|2|2001:db8::1|6275|" */
static bool
read_extended(struct rest *rest, struct ftp_announcement *announcement)
{
	unsigned family, port;

	if (!read_mark(rest, &announcement->mark) || !read_number(rest, 2, &family) || family == 0)
		return false;
	announcement->family = family == 1 ? 4 : 6;
	if (!read_byte(rest, announcement->mark) ||
		!read_address(rest, announcement->mark, announcement->family, announcement->ip) ||
		!read_byte(rest, announcement->mark) || !read_number(rest, 65535, &port) ||
		!read_byte(rest, announcement->mark))
		return false;
	announcement->port = (uint16_t)port;
	return true;
}

/* "|||6275|" */
static bool
read_port(struct rest *rest, struct ftp_announcement *announcement)
{
	unsigned port;

	if (!read_mark(rest, &announcement->mark) || !read_byte(rest, announcement->mark) ||
		!read_byte(rest, announcement->mark) || !read_number(rest, 65535, &port) ||
		!read_byte(rest, announcement->mark))
		return false;
	announcement->port = (uint16_t)port;
	return true;
}

/* Commands are of either case. */
static bool
read_word(struct rest *rest, const char *word)
{
	const char *at = rest->at;

	for (; *word != '\0'; word++, at++)
		if (at == rest->end || (*at & ~0x20) != (*word & ~0x20))
			return false;
	rest->at = at;
	return true;
}

static bool
read_end(const struct rest *rest)
{
	return rest->at < rest->end && (*rest->at == '\r' || *rest->at == '\n');
}

static void
set_place(struct ftp_announcement *announcement, const struct ftp_line *line, const char *begin,
	const struct rest *rest)
{
	announcement->begin = (uint16_t)(begin - line->text);
	announcement->end = (uint16_t)(rest->at - line->text);
}

static bool
read_argument(const struct ftp_line *line, struct rest rest, enum ftp_kind kind,
	struct ftp_announcement *announcement)
{
	const char *begin;

	while (rest.at < rest.end && *rest.at == ' ')
		rest.at++;
	begin = rest.at;
	if (!(kind == FTP_PORT ? read_six(&rest, announcement)
			       : read_extended(&rest, announcement)) ||
		!read_end(&rest))
		return false;
	announcement->kind = kind;
	set_place(announcement, line, begin, &rest);
	return true;
}

static void
read_command(const struct ftp_line *line, struct rest rest, struct ftp_announcement *announcement)
{
	if (read_word(&rest, "PORT "))
		read_argument(line, rest, FTP_PORT, announcement);
	else if (read_word(&rest, "EPRT "))
		read_argument(line, rest, FTP_EPRT, announcement);
	else if (read_word(&rest, "PASV"))
		announcement->kind = read_end(&rest) ? FTP_PASV : FTP_OTHER;
	else if (read_word(&rest, "EPSV")) /* perhaps with a protocol, or ALL */
		announcement->kind =
			read_end(&rest) || read_byte(&rest, ' ') ? FTP_EPSV : FTP_OTHER;
}

/* RFC 1123, 4.1.2.6: where it stands in the text is not said. */
static void
read_reply(const struct ftp_line *line, struct rest rest, struct ftp_announcement *announcement)
{
	bool extended = read_word(&rest, "229 ");

	if (!extended && !read_word(&rest, "227 "))
		return;
	for (const char *at = rest.at; at < rest.end; at++) {
		struct rest here = { at, rest.end };

		if (extended ? at[-1] != '(' || !read_port(&here, announcement)
			     : is_digit(at[-1]) || !read_six(&here, announcement))
			continue;
		announcement->kind = extended ? FTP_EPSV_REPLY : FTP_PASV_REPLY;
		set_place(announcement, line, at, &here);
		return;
	}
}

void
ftp_read(const struct ftp_line *line, bool by_server, struct ftp_announcement *announcement)
{
	struct rest rest = { line->text, line->text + line->length };

	*announcement = (struct ftp_announcement){ .kind = FTP_OTHER };
	if (line->too_long)
		return;
	if (by_server)
		read_reply(line, rest, announcement);
	else
		read_command(line, rest, announcement);
	if (announcement->kind == FTP_OTHER) /* what was read of it says nothing */
		*announcement = (struct ftp_announcement){ .kind = FTP_OTHER };
}

/* ---- writing ----------------------------------------------------------------------------------
 */

static int
write_extended(const struct ftp_announcement *announcement, const uint8_t *ip, uint16_t port,
	char text[FTP_TEXT])
{
	char mark = announcement->mark, words[INET6_ADDRSTRLEN];

	if (announcement->kind == FTP_EPSV_REPLY)
		return snprintf(text, FTP_TEXT, "%c%c%c%u%c", mark, mark, mark, port, mark);
	inet_ntop(announcement->family == 4 ? AF_INET : AF_INET6, ip, words, sizeof(words));
	return snprintf(text, FTP_TEXT, "%c%u%c%s%c%u%c", mark, announcement->family == 4 ? 1 : 2,
		mark, words, mark, port, mark);
}

size_t
ftp_write(const struct ftp_announcement *announcement, const uint8_t *ip, uint16_t port,
	char text[FTP_TEXT])
{
	if (announcement->kind != FTP_PORT && announcement->kind != FTP_PASV_REPLY)
		return (size_t)write_extended(announcement, ip, port, text);
	return (size_t)snprintf(text, FTP_TEXT, "%u,%u,%u,%u,%u,%u", ip[0], ip[1], ip[2], ip[3],
		port >> 8, port & 0xff);
}
