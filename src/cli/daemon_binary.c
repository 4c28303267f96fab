/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/daemon_binary.h"

#include "cli/output.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *
if_executable(char *path)
{
	if (access(path, X_OK) == 0)
		return path;
	free(path);
	return NULL;
}

static char *
beside_this(void)
{
	static const char *const places[] = { "weftd", "../sbin/weftd", "../daemon/weftd" };
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *folder, *found = NULL;

	if (length <= 0)
		return NULL;
	self[length] = '\0';
	folder = dirname(self);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && found == NULL; i++)
		found = if_executable(output_format("%s/%s", folder, places[i]));
	return found;
}

static char *
in_folders(const char *folders)
{
	char *found = NULL;

	while (folders != NULL && found == NULL) {
		size_t length = strcspn(folders, ":");

		if (length > 0 && folders[0] == '/')
			found = if_executable(output_format("%.*s/weftd", (int)length, folders));
		folders = folders[length] == ':' ? folders + length + 1 : NULL;
	}
	return found;
}

char *
daemon_binary(void)
{
	char *found = beside_this();

	if (found == NULL)
		found = in_folders(getenv("PATH"));
	return found != NULL ? found : in_folders("/usr/local/sbin:/usr/sbin:/sbin");
}
