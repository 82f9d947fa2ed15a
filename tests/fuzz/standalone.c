/* Runs a fuzz target over files and the files of directories, without a fuzzer: the ordinary test
 * run replays the corpora with it. */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	int rc = 1;

	if (!f || fstat(fileno(f), &st) != 0)
		goto out;
	/* A block of exactly this size, so that a sanitizer sees a read behind its end. */
	size_t size = (size_t)st.st_size;
	uint8_t *data = malloc(size ? size : 1);
	if (data && fread(data, 1, size, f) == size) {
		LLVMFuzzerTestOneInput(data, size);
		rc = 0;
	}
	free(data);
out:
	if (f)
		fclose(f);
	if (rc)
		perror(path);
	return rc;
}

static int run_dir(const char *path, DIR *dir)
{
	char name[PATH_MAX];
	const struct dirent *e;
	int rc = 0, count = 0;

	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		if (snprintf(name, sizeof(name), "%s/%s", path, e->d_name) >= (int)sizeof(name))
			return 1;
		rc |= run_file(name);
		count++;
	}
	printf("%s: %d inputs\n", path, count);
	return count ? rc : 1;
}

int main(int argc, char **argv)
{
	int rc = argc < 2;

	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		rc |= dir ? run_dir(argv[i], dir) : run_file(argv[i]);
		if (dir)
			closedir(dir);
	}
	return rc;
}
