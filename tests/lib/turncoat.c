/* SPDX-License-Identifier: MIT
 *
 * A process that is its user's at one moment and wholly root's at the next, all the time: two copies of this
 * program, of which the second one is set-user-ID, execute each other. With it the tests prove that what is
 * entered is what was judged.
 *
 *	turncoat USERS ROOTS
 */
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static const struct timespec moment = {.tv_nsec = 100000};
	const uid_t uid = getuid();
	const int is_root = uid != 0 && geteuid() == 0;

	if (argc != 3 || uid == 0)
		return 2;
	if (is_root && setresuid(0, 0, 0) < 0)
		return 1;
	(void)nanosleep(&moment, NULL);
	if (is_root && setresuid(uid, uid, uid) < 0)
		return 1;
	(void)execv(argv[is_root ? 1 : 2], argv);
	return 1;
}
