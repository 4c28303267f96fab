/* SPDX-License-Identifier: BSD-3-Clause */
/* Making configurations: text to tree, checks, defaults. */
#include "model/model.h"
#include "model/build.h"
#include "model/check.h"
#include "model/configuration.h"
#include "model/internet.h"
#include "model/yaml.h"

#include <stdlib.h>
#include <string.h>

const struct lyd_node *
configuration_tree(const struct configuration *configuration)
{
	return configuration->tree;
}

const struct lyd_node *
configuration_child(const struct configuration *configuration, const char *name)
{
	const struct lyd_node *node;

	LY_LIST_FOR(configuration->tree, node)
	if (strcmp(node->schema->name, name) == 0)
		return node;
	return NULL;
}

void
configuration_free(struct configuration *configuration)
{
	if (configuration == NULL)
		return;
	lyd_free_all(configuration->tree);
	free(configuration);
}

/* libyang makes the text of some values when it is first asked for; several threads may ask. */
static void
make_texts(struct lyd_node *first)
{
	struct lyd_node *node;

	LY_LIST_FOR(first, node)
	{
		if (node->schema->nodetype & LYD_NODE_TERM)
			lyd_get_value(node);
		else
			make_texts(lyd_child_no_keys(node));
	}
}

static int
add_default(struct lyd_node *parent, const char *name, const char *value)
{
	struct lyd_node *leaf, *old = (struct lyd_node *)(uintptr_t)model_child(parent, name);

	if (old != NULL)
		lyd_free_tree(old);
	if (lyd_new_term(parent, NULL, name, value, 0, &leaf) != LY_SUCCESS)
		return -1;
	leaf->flags |= LYD_DEFAULT;
	return 0;
}

/* The defaults that depend on names: port and attachment of a vnic. */
static int
complete_nic(const struct lyd_node *network, struct lyd_node *nic)
{
	struct lyd_node *attach = (struct lyd_node *)(uintptr_t)model_child(nic, "attach");
	char netns[160];

	if (model_child(nic, "port") == NULL && add_default(nic, "port", model_key(nic)) < 0)
		return -1;
	/* np-container: flagged default while nothing in it was written */
	if (attach == NULL || !(attach->flags & LYD_DEFAULT))
		return 0;
	snprintf(netns, sizeof(netns), "%s-%s", model_key(network), model_key(nic));
	return add_default(attach, "netns", netns) < 0 || add_default(attach, "create", "true") < 0
		       ? -1
		       : 0;
}

static int
complete(struct configuration *configuration)
{
	const struct lyd_node *network, *nic;
	struct model *model = configuration->model;

	network = configuration_child(configuration, "networks");
	for (; network != NULL; network = model_next(network))
		if (internet_expand((struct lyd_node *)(uintptr_t)network) < 0)
			return -1;
	if (lyd_new_implicit_all(&configuration->tree, model->context, 0, NULL) != LY_SUCCESS)
		return -1;
	network = configuration_child(configuration, "networks");
	for (; network != NULL; network = model_next(network))
		for (nic = model_child(network, "nics"); nic != NULL; nic = model_next(nic))
			if (complete_nic(network, (struct lyd_node *)(uintptr_t)nic) < 0)
				return -1;
	network = configuration_child(configuration, "networks");
	for (; network != NULL; network = model_next(network))
		internet_hide(network);
	make_texts(configuration->tree);
	return 0;
}

static struct configuration *
new_configuration(struct model *model)
{
	struct configuration *configuration = calloc(1, sizeof(*configuration));

	if (configuration != NULL)
		configuration->model = model;
	return configuration;
}

struct configuration *
configuration_empty(struct model *model)
{
	struct configuration *configuration = new_configuration(model);

	if (configuration == NULL || complete(configuration) == 0)
		return configuration;
	configuration_free(configuration);
	return NULL;
}

static void
read_text(struct configuration *configuration, struct report *report, bool json)
{
	static const struct place nowhere = { 0, 0 };
	struct yaml yaml;

	if (yaml_read(&yaml, report, json)) {
		if (yaml.root == NULL || yaml.root->kind == YAML_NULL)
			report_error(report, nowhere, NULL,
				"write {} for a configuration that holds nothing",
				"there is nothing in it");
		else
			configuration->tree =
				build_tree(configuration->model, report, yaml.root, json);
	}
	yaml_free(&yaml);
	if (configuration->tree == NULL && report->out->errors > 0)
		return;
	if (complete(configuration) < 0 || check_configuration(configuration, report) < 0)
		report_error(report, nowhere, NULL, NULL, "out of memory");
}

static struct configuration *
from_text(struct model *model, const char *file, const char *text, size_t length,
	struct diagnostics *diagnostics, bool json)
{
	struct configuration *configuration = new_configuration(model);
	struct report report;

	if (report_begin(&report, diagnostics, file, text, length) < 0) {
		configuration_free(configuration);
		return NULL;
	}
	if (configuration != NULL)
		read_text(configuration, &report, json);
	ly_err_clean(model->context, NULL);
	if (report_end(&report) && configuration != NULL)
		return configuration;
	configuration_free(configuration);
	return NULL;
}

struct configuration *
configuration_from_yaml(struct model *model, const char *file, const char *text, size_t length,
	struct diagnostics *diagnostics)
{
	return from_text(model, file, text, length, diagnostics, false);
}

struct configuration *
configuration_from_json(struct model *model, const char *file, const char *text, size_t length,
	struct diagnostics *diagnostics)
{
	return from_text(model, file, text, length, diagnostics, true);
}

char *
configuration_to_json(const struct configuration *configuration)
{
	struct lyd_node *tree = configuration->tree, *copy = NULL;
	char *text = NULL;
	LY_ERR result;

	/* libyang leaves out entries that are default, but not their commas */
	if (internet_is_in(configuration_child(configuration, "networks"))) {
		tree = copy = internet_without(configuration->tree);
		if (copy == NULL)
			return NULL;
	}
	result = lyd_print_mem(&text, tree, LYD_JSON, LYD_PRINT_WITHSIBLINGS | LYD_PRINT_SHRINK);
	lyd_free_all(copy);
	if (result != LY_SUCCESS)
		return NULL;
	return text != NULL ? text : strdup("{}");
}
