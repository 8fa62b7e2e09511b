/* notify.c - one datagram to systemd, see sd_notify(3). */
#include "obs/obs.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void obs_sd_notify(const char *state)
{
	struct str path = str_of(getenv("NOTIFY_SOCKET"));
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd;

	if (path.n < 2 || path.n >= sizeof(to.sun_path) || (path.p[0] != '/' && path.p[0] != '@'))
		return;
	memcpy(to.sun_path, path.p, path.n);
	if (path.p[0] == '@')
		to.sun_path[0] = '\0'; /* an abstract name */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.n));
	close(fd);
}
