/* kmem-inspect: the commands of kmem_inspect.h for those who have libkmem alone. */
#include <stdio.h>

#include "spl/kmem_inspect.h"

int
main(int argc, char **argv)
{
	return (kmem_inspect_main(argc - 1, argv + 1, stdout, stderr));
}
