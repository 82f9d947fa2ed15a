/*
 * Replays every file of the given directories through a fuzz target, without a fuzzer. Fails where
 * a directory is missing or empty; a finding aborts, with the file named before it.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_MAX (1 << 20)

static int replay(const char *path)
{
	static uint8_t buf[FILE_MAX];
	FILE *f = fopen(path, "rb");
	if (!f) {
		perror(path);
		return -1;
	}
	size_t n = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	/* A block of exactly that size, so that a read past its end is seen by the sanitizers. */
	uint8_t *copy = malloc(n ? n : 1);
	if (!copy)
		return -1;
	for (size_t i = 0; i < n; i++)
		copy[i] = buf[i];
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
	return 0;
}

/* Number of files, negative where one could not be read. */
static int replay_dir(const char *dir)
{
	DIR *d = opendir(dir);
	if (!d) {
		perror(dir);
		return -1;
	}
	int count = 0;
	struct dirent *e;
	while (count >= 0 && (e = readdir(d))) {
		char path[4096];
		struct stat st;
		int n = snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (n < 0 || (size_t)n >= sizeof(path) || stat(path, &st) < 0)
			count = -1;
		else if (S_ISREG(st.st_mode))
			count = replay(path) == 0 ? count + 1 : -1;
	}
	closedir(d);
	return count;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int n = replay_dir(argv[i]);
		if (n <= 0) {
			fprintf(stderr, "%s: %s\n", argv[i], n == 0 ? "empty" : "unreadable");
			return 1;
		}
		printf("%s: %d inputs\n", argv[i], n);
	}
	return argc > 1 ? 0 : 2;
}
