/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/target.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* In place. False: an escape that is none, or one of NUL. */
static bool
decode(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		int high, low;

		if (*from != '%') {
			*to++ = *from;
			continue;
		}
		high = hex_digit(from[1]);
		low = high >= 0 ? hex_digit(from[2]) : -1;
		if (low < 0 || high * 16 + low == 0)
			return false;
		*to++ = (char)(high * 16 + low);
		from += 2;
	}
	*to = '\0';
	return true;
}

/* Bytes of the UTF-8 character (RFC 3629); 0: it is none. */
static unsigned
utf8_length(const unsigned char *text)
{
	unsigned length = text[0] < 0x80   ? 1
			  : text[0] < 0xc2 ? 0
			  : text[0] < 0xe0 ? 2
			  : text[0] < 0xf0 ? 3
			  : text[0] < 0xf5 ? 4
					   : 0;

	for (unsigned i = 1; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
		(text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return length;
}

static bool
is_utf8(const char *text)
{
	for (const unsigned char *at = (const unsigned char *)text; *at != '\0';) {
		unsigned length = utf8_length(at);

		if (length == 0)
			return false;
		at += length;
	}
	return true;
}

static int
decode_checked(char *text, struct weft_error *error)
{
	if (decode(text) && is_utf8(text))
		return 0;
	return error_set(error, EINVAL, "the address of the request is not percent-encoded UTF-8");
}

static int
add_segment(struct target *target, char *text, struct weft_error *error)
{
	struct target_segment *segment = &target->segments[target->n_segments];
	char *equals = strchr(text, '=');

	if (target->n_segments == TARGET_SEGMENT_LIMIT)
		return error_set(error, E2BIG, "the path of the request is too deep");
	segment->name = text;
	segment->key = NULL;
	if (equals != NULL) {
		*equals = '\0';
		segment->key = equals + 1;
		if (decode_checked(segment->key, error) < 0)
			return -1;
	}
	target->n_segments++;
	return decode_checked(text, error);
}

static int
parse_path(struct target *target, char *path, struct weft_error *error)
{
	if (*path != '/')
		return error_set(error, EINVAL, "a path begins with '/'");
	while (path != NULL) {
		char *text = path + 1;

		path = strchr(text, '/');
		if (path != NULL)
			*path = '\0';
		/* a slash at the end is no segment */
		if (*text == '\0' && path == NULL)
			break;
		if (add_segment(target, text, error) < 0)
			return -1;
	}
	return 0;
}

static int
parse_query(struct target *target, char *query, struct weft_error *error)
{
	unsigned count = 1;

	for (const char *at = query; *at != '\0'; at++)
		count += *at == '&';
	if (count > TARGET_PARAMETER_LIMIT)
		return error_set(error, E2BIG, "the request has too many parameters");
	target->parameters = calloc(count, sizeof(*target->parameters));
	if (target->parameters == NULL)
		return error_memory(error);
	for (char *next; query != NULL; query = next) {
		struct target_parameter *parameter = &target->parameters[target->n_parameters];
		char *equals;

		next = strchr(query, '&');
		if (next != NULL)
			*next++ = '\0';
		if (*query == '\0')
			continue;
		equals = strchr(query, '=');
		parameter->name = query;
		parameter->value = equals != NULL ? equals + 1 : query + strlen(query);
		if (equals != NULL)
			*equals = '\0';
		if (decode_checked(parameter->name, error) < 0 ||
			decode_checked(parameter->value, error) < 0)
			return -1;
		target->n_parameters++;
	}
	return 0;
}

int
target_parse(struct target *target, const char *text, struct weft_error *error)
{
	char *query;

	*target = (struct target){ .memory = strdup(text) };
	if (target->memory == NULL)
		return error_memory(error);
	query = strchr(target->memory, '?');
	if (query != NULL)
		*query++ = '\0';
	if (parse_path(target, target->memory, error) == 0 &&
		(query == NULL || parse_query(target, query, error) == 0))
		return 0;
	target_free(target);
	return -1;
}

void
target_free(struct target *target)
{
	free(target->memory);
	free(target->parameters);
	*target = (struct target){ 0 };
}

const char *
target_parameter(const struct target *target, const char *name)
{
	for (unsigned i = 0; i < target->n_parameters; i++)
		if (strcmp(target->parameters[i].name, name) == 0)
			return target->parameters[i].value;
	return NULL;
}

const char *
target_unknown(const struct target *target, const char *const *names)
{
	for (unsigned i = 0; i < target->n_parameters; i++) {
		const char *const *name = names;

		while (*name != NULL && strcmp(*name, target->parameters[i].name) != 0)
			name++;
		if (*name == NULL)
			return target->parameters[i].name;
	}
	return NULL;
}

int
target_number(const struct target *target, const char *name, uint64_t least, uint64_t most,
	uint64_t otherwise, uint64_t *number, struct weft_error *error)
{
	const char *text = target_parameter(target, name);
	char *end;

	*number = otherwise;
	if (text == NULL)
		return 0;
	errno = 0;
	*number = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && *number >= least &&
		*number <= most)
		return 0;
	return error_set(error, EINVAL, "%s is a number from %llu to %llu, not '%s'", name,
		(unsigned long long)least, (unsigned long long)most, text);
}
