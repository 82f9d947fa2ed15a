/* A library that does what none may, so that the purity test is seen to fail. */
#include <stdlib.h>
#include <sys/socket.h>

int impure(void);

int impure(void)
{
	return getenv("HOME") ? socket(AF_INET, SOCK_DGRAM, 0) : -1;
}
