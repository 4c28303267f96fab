/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/schema.h"

#include "base/error.h"
#include "model/model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static LY_ERR
find_module(const char *module, const char *module_revision, const char *submodule,
	const char *submodule_revision, void *user, LYS_INFORMAT *format, const char **data,
	ly_module_imp_data_free_clb *release)
{
	const char *name = submodule != NULL ? submodule : module;

	for (const struct schema_file *file = schema_files; file->name != NULL; file++) {
		if (strcmp(file->name, name) != 0)
			continue;
		*format = LYS_IN_YANG;
		*data = file->text;
		*release = NULL;
		return LY_SUCCESS;
	}
	return LY_ENOTFOUND;
}

struct model *
model_open(struct weft_error *error)
{
	struct model *model = calloc(1, sizeof(*model));
	LY_ERR result;

	if (model == NULL) {
		error_memory(error);
		return NULL;
	}
	/* for good: what is quiet for a time is loud again behind any union (libyang 2.1.30) */
	ly_log_options(LY_LOSTORE_LAST);
	result = ly_ctx_new(NULL,
		LY_CTX_DISABLE_SEARCHDIRS | LY_CTX_DISABLE_SEARCHDIR_CWD | LY_CTX_NO_YANGLIBRARY |
			LY_CTX_SET_PRIV_PARSED,
		&model->context);
	if (result == LY_SUCCESS) {
		ly_ctx_set_module_imp_clb(model->context, find_module, NULL);
		model->module = ly_ctx_load_module(model->context, "weft", NULL, NULL);
	}
	if (model->module == NULL)
		error_set(error, 0, "cannot load the YANG modules: %s",
			model->context != NULL ? ly_errmsg(model->context) : "out of memory");
	if (model->module != NULL)
		return model;
	model_close(model);
	return NULL;
}

void
model_close(struct model *model)
{
	if (model == NULL)
		return;
	ly_ctx_destroy(model->context);
	free(model);
}

const struct lysc_node *
schema_child(const struct model *model, const struct lysc_node *parent, const char *name)
{
	return lys_find_child(parent, model->module, name, 0, 0, 0);
}

const struct lysc_node *
schema_next(
	const struct model *model, const struct lysc_node *parent, const struct lysc_node *after)
{
	return lys_getnext(after, parent, model->module->compiled, 0);
}

const struct lysc_type *
schema_type(const struct lysc_node *leaf)
{
	const struct lysc_type *type = leaf->nodetype == LYS_LEAF
					       ? ((const struct lysc_node_leaf *)leaf)->type
					       : ((const struct lysc_node_leaflist *)leaf)->type;

	while (type->basetype == LY_TYPE_LEAFREF)
		type = ((const struct lysc_type_leafref *)type)->realtype;
	return type;
}

enum value_kind
schema_value_kind(const struct lysc_node *leaf)
{
	static const struct {
		const char *name;
		enum value_kind kind;
	} kinds[] = {
		{ "wt:duration", VALUE_DURATION },
		{ "wt:size", VALUE_SIZE },
		{ "wt:mac-address", VALUE_MAC },
		{ "wt:ip-address", VALUE_ADDRESS },
		{ "wt:ip-address-and-prefix", VALUE_PREFIX },
		{ "wt:ip-prefix", VALUE_NETWORK },
		{ "wt:ip-match", VALUE_MATCH },
		{ "wt:port-range", VALUE_PORTS },
		{ "wt:mac-match", VALUE_MAC_MATCH },
		{ "wt:ipv4-range", VALUE_RANGE },
		{ "wt:next-hop", VALUE_HOP },
		{ "wt:ip-endpoint", VALUE_ENDPOINT },
		{ "wt:vlan-range", VALUE_VLANS },
	};
	/* LY_CTX_SET_PRIV_PARSED: the statement as it was written */
	const struct lysp_node *written = leaf->priv;
	const char *name = leaf->nodetype == LYS_LEAF
				   ? ((const struct lysp_node_leaf *)written)->type.name
				   : ((const struct lysp_node_leaflist *)written)->type.name;

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return kinds[i].kind;
	return VALUE_PLAIN;
}

const char *
schema_default(const struct model *model, const struct lysc_node *leaf)
{
	const struct lyd_value *value =
		leaf->nodetype == LYS_LEAF ? ((const struct lysc_node_leaf *)leaf)->dflt : NULL;

	return value != NULL ? lyd_value_get_canonical(model->context, value) : NULL;
}

const struct lysc_node *
schema_key(const struct lysc_node *list)
{
	/* libyang moves the keys to the front */
	return ((const struct lysc_node_list *)list)->child;
}

bool
schema_is_sequence(const struct lysc_node *list)
{
	return schema_makes_names(list) || (list->flags & LYS_ORDBY_USER);
}

bool
schema_makes_names(const struct lysc_node *list)
{
	return strcmp(list->name, "links") == 0 || strcmp(list->name, "tests") == 0;
}

const struct lysc_node *
schema_only_value(const struct lysc_node *list)
{
	const struct lysc_node *value = schema_key(list)->next;

	if (value == NULL || value->next != NULL || value->nodetype != LYS_LEAF)
		return NULL;
	return strcmp(value->name, "value") == 0 ? value : NULL;
}

/* ---- what a type allows, in words --------------------------------------------------- */

static void
append(char *text, size_t size, const char *more)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, "%s", more);
}

static void
describe_number(const struct lysc_type *type, char *text, size_t size)
{
	const struct lysc_range *range = ((const struct lysc_type_num *)type)->range;
	char part[64];
	LY_ARRAY_COUNT_TYPE i;

	append(text, size, "a number");
	if (range == NULL)
		return;
	LY_ARRAY_FOR(range->parts, i)
	{
		snprintf(part, sizeof(part), "%s from %" PRIu64 " to %" PRIu64, i > 0 ? " or" : "",
			range->parts[i].min_u64, range->parts[i].max_u64);
		append(text, size, part);
	}
}

static void
describe_enumeration(const struct lysc_type *type, char *text, size_t size)
{
	const struct lysc_type_enum *enumeration = (const struct lysc_type_enum *)type;
	LY_ARRAY_COUNT_TYPE i;

	if (LY_ARRAY_COUNT(enumeration->enums) > 1)
		append(text, size, "one of ");
	LY_ARRAY_FOR(enumeration->enums, i)
	{
		append(text, size, i > 0 ? ", " : "");
		append(text, size, enumeration->enums[i].name);
	}
}

static bool
length_fits(const struct lysc_type_str *type, const char *value)
{
	uint64_t length = strlen(value);
	LY_ARRAY_COUNT_TYPE i;

	if (type->length == NULL)
		return true;
	LY_ARRAY_FOR(type->length->parts, i)
	if (length >= type->length->parts[i].min_u64 && length <= type->length->parts[i].max_u64)
		return true;
	return false;
}

/* The error-message of what the value breaks; every one in weft's modules has such. */
static void
describe_string(const struct lysc_type *type, const char *value, char *text, size_t size)
{
	const struct lysc_type_str *string = (const struct lysc_type_str *)type;
	const char *message = NULL;

	if (string->length != NULL && (string->patterns == NULL || !length_fits(string, value)))
		message = string->length->emsg;
	else if (string->patterns != NULL)
		message = string->patterns[0]->emsg;
	append(text, size, message != NULL ? message : "a text");
}

static void
describe(const struct lysc_type *type, const char *value, char *text, size_t size)
{
	const struct lysc_type_union *alternatives = (const struct lysc_type_union *)type;
	LY_ARRAY_COUNT_TYPE i;

	switch (type->basetype) {
	case LY_TYPE_UINT8:
	case LY_TYPE_UINT16:
	case LY_TYPE_UINT32:
	case LY_TYPE_UINT64:
		describe_number(type, text, size);
		break;
	case LY_TYPE_BOOL:
		append(text, size, "true or false");
		break;
	case LY_TYPE_ENUM:
		describe_enumeration(type, text, size);
		break;
	case LY_TYPE_UNION:
		LY_ARRAY_FOR(alternatives->types, i)
		{
			append(text, size, i > 0 ? ", or " : "");
			describe(alternatives->types[i], value, text, size);
		}
		break;
	default:
		describe_string(type, value, text, size);
		break;
	}
}

void
schema_describe(const struct lysc_type *type, const char *value, char *text, size_t size)
{
	text[0] = '\0';
	describe(type, value, text, size);
}
