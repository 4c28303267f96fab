/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lines of an FTP control connection that announce a data connection: PORT, PASV and its 227
 * (RFC 959, 4.1.2), EPRT, EPSV and its 229 (RFC 2428). Bytes of the one stream go in, in order, in
 * pieces of any length; whole lines come out. No I/O, no allocation.
 */
#ifndef WEFT_FIREWALL_FTP_H
#define WEFT_FIREWALL_FTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FTP_LINE 124 /* longer ones announce nothing */
#define FTP_TEXT 64  /* the longest address */

/* One direction's line, as far as it has come. All zero: nothing of it. */
struct ftp_line {
	uint16_t length;
	bool too_long;
	char text[FTP_LINE];
};

enum ftp_kind {
	FTP_OTHER,
	FTP_PORT, /* of the client: address and port at which it waits */
	FTP_EPRT,
	FTP_PASV, /* of the client: asks for */
	FTP_EPSV,
	FTP_PASV_REPLY, /* of the server: address and port */
	FTP_EPSV_REPLY, /* of the server: port */
};

struct ftp_announcement {
	enum ftp_kind kind;
	uint8_t family; /* of `ip`; 0: none is said */
	uint8_t ip[16];
	uint16_t port;
	/* what of the line says address and port: from the byte `begin` to that before `end` */
	uint16_t begin, end;
	char mark; /* EPRT, EPSV: what stands between its fields */
};

/* Takes one byte; true: the line is whole, and is to be read before the next byte. */
bool ftp_take(struct ftp_line *line, char byte);

/* What a whole line announces; `by_server`: who has said it. */
void ftp_read(const struct ftp_line *line, bool by_server, struct ftp_announcement *announcement);

/* How the same is said of another address and port, of the same family; returns its length. */
size_t ftp_write(const struct ftp_announcement *announcement, const uint8_t *ip, uint16_t port,
	char text[FTP_TEXT]);

#endif
