/* SPDX-License-Identifier: MIT
 *
 * What a server of gRPC may send: the input goes to a call as it comes, and after the end of one call
 * to the next.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/grpc.h"

enum { CALLS = 4, SIZE_MAX_HERE = 64 << 10 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct grpc *grpc = NULL;
	int pair[2], r = 1;

	if (size > SIZE_MAX_HERE || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
		return 0;
	if (grpc_new(&grpc) < 0 || io_write(pair[1], data, size) < 0 ||
	    shutdown(pair[1], SHUT_WR) < 0)
		abort();
	for (int i = 0; i < CALLS && r == 1; i++) {
		_cleanup_(bytes_done) struct bytes bytes = BYTES_INIT;
		struct cj_error err = CJ_ERROR_INIT;
		short events = 0;
		int status;

		if (grpc_begin(grpc, "/a.B/C", data, size < 8 ? size : 8, NULL, NULL) < 0)
			break;
		do
			r = grpc_step(grpc, pair[0], &events, &status, &bytes, &err);
		while (r == 0 && events); /* it's all there, so it ends */
		if (r == 1 && status != GRPC_OK &&
		    (bytes.data || grpc_fail(grpc, status, "m", &err) >= 0))
			abort();
		if (r < 0 && (err.code != -r || bytes.data))
			abort();
	}
	grpc_free(grpc);
	close_fd(&pair[0]);
	close_fd(&pair[1]);
	return 0;
}
