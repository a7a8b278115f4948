/* Memory of the Linux kernel: pages for vmem. */
#include <sys/mman.h>

#include "spl/vmem_impl.h"

void *
vmem_os_map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return (p == MAP_FAILED ? NULL : p);
}

void
vmem_os_unmap(void *addr, size_t size)
{
	(void)munmap(addr, size);
}

void
vmem_os_discard(void *addr, size_t size)
{
	(void)madvise(addr, size, MADV_DONTNEED);
}
