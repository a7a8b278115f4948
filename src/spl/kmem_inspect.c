/*
 * Inspection: reaching the target. Its map, memory, registers, symbols, and the
 * structures of kmem in it.
 *
 * The target's structures have our layout, which kr_version and kr_cache_size vouch
 * for. Everything read is treated as possibly torn or damaged: addresses are only
 * ever passed to kmem_inspect_read(), which fails instead of faulting, counts are
 * bounded, and lists are cut after a limit.
 */
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/procfs.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spl/kmem_inspect_impl.h"
#include "spl/bits.h"
#include "spl/symbolize.h"

#define LIST_LIMIT 10000000 /* nothing sane is longer */

/* ---- growing arrays ---- */

static void *
grow(void *array, size_t *size, size_t count, size_t elem)
{
	if (count < *size)
		return (array);
	const size_t newsize = *size == 0 ? 64 : *size * 2;
	void *fresh = kmem_alloc(newsize * elem, KM_SLEEP);
	if (*size != 0) {
		memcpy(fresh, array, *size * elem);
		kmem_free(array, *size * elem);
	}
	*size = newsize;
	return (fresh);
}

static ki_map_t *
map_add(kmem_inspect_t *ki)
{
	ki->ki_maps = grow(ki->ki_maps, &ki->ki_maps_size, ki->ki_nmaps, sizeof(ki_map_t));
	ki_map_t *km = &ki->ki_maps[ki->ki_nmaps++];
	memset(km, 0, sizeof(*km));
	return (km);
}

static void
regs_add(kmem_inspect_t *ki, const void *words, size_t bytes)
{
	for (size_t i = 0; i < bytes / sizeof(uintptr_t); i++) {
		ki->ki_regs = grow(
		    ki->ki_regs, &ki->ki_regs_size, ki->ki_nregs, sizeof(*ki->ki_regs));
		memcpy(&ki->ki_regs[ki->ki_nregs++],
		    (const char *)words + i * sizeof(uintptr_t), sizeof(uintptr_t));
	}
}

/* ---- a live process ---- */

static int
read_maps(kmem_inspect_t *ki)
{
	char path[64], line[1024];

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", ki->ki_pid);
	FILE *fp = fopen(path, "re");
	if (fp == NULL)
		return (errno == ENOENT ? ESRCH : errno);
	while (fgets(line, sizeof(line), fp) != NULL) {
		unsigned long long start, end, offset;
		char perms[8];
		int at = 0;
		if (sscanf(line, "%llx-%llx %7s %llx %*s %*s %n", &start, &end, perms,
			&offset, &at) < 4 || perms[0] != 'r')
			continue;
		ki_map_t *km = map_add(ki);
		km->km_start = start;
		km->km_end = end;
		km->km_offset = offset;
		km->km_write = perms[1] == 'w';
		line[strcspn(line, "\n")] = '\0';
		if (at > 0 && line[at] == '/')
			(void)snprintf(km->km_path, sizeof(km->km_path), "%s", line + at);
	}
	(void)fclose(fp);
	return (ki->ki_nmaps > 0 ? 0 : EPERM);
}

/* Stop all threads, new ones too, and take their registers. */
static int
stop_threads(kmem_inspect_t *ki)
{
	char path[64];
	bool found;
	size_t size = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", ki->ki_pid);
	do {
		DIR *dir = opendir(path);
		struct dirent *de;
		found = false;
		if (dir == NULL)
			return (ESRCH);
		while ((de = readdir(dir)) != NULL) {
			const pid_t tid = (pid_t)atoi(de->d_name);
			bool known = tid == 0;
			for (size_t i = 0; i < ki->ki_nthreads && !known; i++)
				known = ki->ki_threads[i] == tid;
			if (known)
				continue;
			if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0) {
				if (errno == ESRCH)
					continue;
				(void)closedir(dir);
				return (errno);
			}
			if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != 0)
				continue;
			(void)waitpid(tid, NULL, __WALL);
			ki->ki_threads =
			    grow(ki->ki_threads, &size, ki->ki_nthreads, sizeof(pid_t));
			ki->ki_threads[ki->ki_nthreads++] = tid;
			found = true;
			struct user_regs_struct regs;
			struct iovec iov = { &regs, sizeof(regs) };
			if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &iov) == 0)
				regs_add(ki, &regs, iov.iov_len);
		}
		(void)closedir(dir);
	} while (found);
	return (ki->ki_nthreads > 0 ? 0 : ESRCH);
}

/* ---- a core file ---- */

/* Pages [v[0], v[1]) map a file from page v[2] on; they may be absent otherwise. */
static void
core_file_range(kmem_inspect_t *ki, const uint64_t v[3], uint64_t pagesize,
    const char *name, int len)
{
	bool known = false;

	for (size_t m = 0; m < ki->ki_nmaps; m++) {
		ki_map_t *km = &ki->ki_maps[m];
		if (km->km_start < v[0] || km->km_start >= v[1])
			continue;
		km->km_offset = v[2] * pagesize + (km->km_start - v[0]);
		(void)snprintf(km->km_path, sizeof(km->km_path), "%.*s", len, name);
		known = known || km->km_start == v[0];
	}
	if (known)
		return;
	ki_map_t *km = map_add(ki);
	km->km_start = v[0];
	km->km_end = v[1];
	km->km_offset = v[2] * pagesize;
	(void)snprintf(km->km_path, sizeof(km->km_path), "%.*s", len, name);
}

static int
compare_maps(const void *a, const void *b)
{
	const ki_map_t *x = a, *y = b;

	return (x->km_start < y->km_start ? -1 : x->km_start > y->km_start);
}

static void
core_notes(kmem_inspect_t *ki, const char *notes, size_t size)
{
	for (size_t at = 0; at + sizeof(Elf64_Nhdr) <= size;) {
		Elf64_Nhdr nh;
		memcpy(&nh, notes + at, sizeof(nh));
		const size_t desc = at + sizeof(nh) + P2ROUNDUP(nh.n_namesz, 4);
		if (desc > size || nh.n_descsz > size - desc)
			return;
		if (nh.n_type == NT_PRSTATUS && nh.n_descsz >= sizeof(struct elf_prstatus)) {
			struct elf_prstatus ps;
			memcpy(&ps, notes + desc, sizeof(ps));
			regs_add(ki, &ps.pr_reg, sizeof(ps.pr_reg));
		} else if (nh.n_type == NT_FILE && nh.n_descsz >= 16) {
			/* count, page size, {start, end, page offset}..., names */
			uint64_t count, pagesize;
			memcpy(&count, notes + desc, 8);
			memcpy(&pagesize, notes + desc + 8, 8);
			if (count > nh.n_descsz / 24)
				return;
			const char *name = notes + desc + 16 + count * 24;
			const char *end = notes + desc + nh.n_descsz;
			for (uint64_t i = 0; i < count && name < end; i++) {
				uint64_t v[3];
				memcpy(v, notes + desc + 16 + i * 24, sizeof(v));
				const size_t len = strnlen(name, (size_t)(end - name));
				core_file_range(ki, v, pagesize, name, (int)MIN(len, 255));
				name += len + 1;
			}
		}
		at = desc + P2ROUNDUP(nh.n_descsz, 4);
	}
}

static int
read_core(kmem_inspect_t *ki)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	if (pread(ki->ki_fd, &eh, sizeof(eh), 0) != sizeof(eh) ||
	    memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 || eh.e_type != ET_CORE ||
	    eh.e_phentsize != sizeof(ph))
		return (ENOEXEC);
	for (int pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < eh.e_phnum; i++) {
			if (pread(ki->ki_fd, &ph, sizeof(ph),
				(off_t)(eh.e_phoff + i * sizeof(ph))) != sizeof(ph))
				return (ENOEXEC);
			if (pass == 0 && ph.p_type == PT_LOAD) {
				ki_map_t *km = map_add(ki);
				km->km_start = ph.p_vaddr;
				km->km_end = ph.p_vaddr + ph.p_memsz;
				km->km_write = (ph.p_flags & PF_W) != 0;
				km->km_data = ph.p_offset;
				km->km_datalen = ph.p_filesz;
			} else if (pass == 1 && ph.p_type == PT_NOTE &&
			    ph.p_filesz > 0 && ph.p_filesz < (64 << 20)) {
				char *notes = kmem_alloc(ph.p_filesz, KM_SLEEP);
				if (pread(ki->ki_fd, notes, ph.p_filesz,
					(off_t)ph.p_offset) == (ssize_t)ph.p_filesz)
					core_notes(ki, notes, ph.p_filesz);
				kmem_free(notes, ph.p_filesz);
			}
		}
	}
	qsort(ki->ki_maps, ki->ki_nmaps, sizeof(*ki->ki_maps), compare_maps);
	return (0);
}

static int
core_read(kmem_inspect_t *ki, uintptr_t addr, char *buf, size_t size)
{
	while (size > 0) {
		const ki_map_t *km = ki_map_at(ki, addr);
		if (km == NULL)
			return (EFAULT);
		const size_t in = addr - km->km_start;
		size_t n = MIN(size, km->km_end - addr);
		int fd = ki->ki_fd;
		uint64_t from = km->km_data + in;
		bool opened = false;
		if (in < km->km_datalen) {
			n = MIN(n, km->km_datalen - in);
		} else if (km->km_path[0] != '\0') {
			/* Unmodified file pages are not in the core. */
			fd = open(km->km_path, O_RDONLY | O_CLOEXEC);
			from = km->km_offset + in;
			opened = true;
		} else {
			return (EFAULT);
		}
		const ssize_t got = fd >= 0 ? pread(fd, buf, n, (off_t)from) : -1;
		if (opened && fd >= 0)
			(void)close(fd);
		if (got <= 0)
			return (EFAULT);
		addr += (size_t)got;
		buf += got;
		size -= (size_t)got;
	}
	return (0);
}

/* ---- memory and symbols ---- */

const ki_map_t *
ki_map_at(const kmem_inspect_t *ki, uintptr_t addr)
{
	size_t lo = 0, hi = ki->ki_nmaps;

	while (lo < hi) {
		const size_t mid = (lo + hi) / 2;
		if (addr >= ki->ki_maps[mid].km_end)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (lo < ki->ki_nmaps && addr >= ki->ki_maps[lo].km_start ?
	    &ki->ki_maps[lo] : NULL);
}

int
kmem_inspect_read(kmem_inspect_t *ki, uintptr_t addr, void *buf, size_t size)
{
	if (ki->ki_pid == 0)
		return (core_read(ki, addr, buf, size));
	struct iovec local = { buf, size }, remote = { (void *)addr, size };
	return (process_vm_readv(ki->ki_pid, &local, 1, &remote, 1, 0) == (ssize_t)size ?
	    0 : EFAULT);
}

/* The address 0 of the file's own counting, for the module mapped at km. */
static uintptr_t
module_base(kmem_inspect_t *ki, const char *path)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	for (size_t i = 0; i < ki->ki_nmaps; i++) {
		const ki_map_t *km = &ki->ki_maps[i];
		if (km->km_offset != 0 || strcmp(km->km_path, path) != 0)
			continue;
		if (kmem_inspect_read(ki, km->km_start, &eh, sizeof(eh)) != 0 ||
		    memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0)
			return (0);
		for (unsigned p = 0; p < eh.e_phnum; p++) {
			if (kmem_inspect_read(ki, km->km_start + eh.e_phoff +
				p * sizeof(ph), &ph, sizeof(ph)) == 0 && ph.p_type == PT_LOAD)
				return (km->km_start - P2ALIGN(ph.p_vaddr, KMEM_PAGE));
		}
		return (0);
	}
	return (0);
}

static int
find_root(kmem_inspect_t *ki)
{
	int error = ENOENT;

	for (size_t i = 0; i < ki->ki_nmaps; i++) {
		const ki_map_t *km = &ki->ki_maps[i];
		if (km->km_path[0] == '\0' || km->km_offset != 0)
			continue;
		const uint64_t value = spl_symbol_lookup(km->km_path, "kmem_root");
		if (value == 0)
			continue;
		kmem_root_t root;
		const uintptr_t addr = module_base(ki, km->km_path) + value;
		if (kmem_inspect_read(ki, addr, &root, sizeof(root)) != 0 ||
		    root.kr_magic != KMEM_ROOT_MAGIC)
			continue;
		if (root.kr_version != KMEM_ROOT_VERSION ||
		    root.kr_cache_size != sizeof(kmem_cache_t)) {
			error = EPROTO;
			continue;
		}
		/* tarn under the preload library has two; the busy one is meant. */
		if (ki->ki_root_addr == 0 || ki->ki_root.kr_caches == NULL) {
			ki->ki_root_addr = addr;
			ki->ki_root = root;
		}
		error = 0;
	}
	return (ki->ki_root_addr != 0 ? 0 : error);
}

static void
symbolize_pc(kmem_inspect_t *ki, uintptr_t pc, spl_symbol_t *ss)
{
	const ki_map_t *km = ki_map_at(ki, pc);

	ss->ss_function[0] = '\0';
	ss->ss_offset = pc;
	(void)snprintf(ss->ss_module, sizeof(ss->ss_module), "?");
	if (km == NULL || km->km_path[0] == '\0')
		return;
	const char *slash = strrchr(km->km_path, '/');
	(void)snprintf(ss->ss_module, sizeof(ss->ss_module), "%.*s",
	    (int)sizeof(ss->ss_module) - 1, slash != NULL ? slash + 1 : km->km_path);
	const uint64_t vaddr = pc - module_base(ki, km->km_path);
	ss->ss_offset = vaddr;
	(void)spl_symbolize_file(km->km_path, vaddr, ss);
}

void
ki_print_pc(kmem_inspect_t *ki, FILE *out, uintptr_t pc)
{
	spl_symbol_t ss;

	symbolize_pc(ki, pc - 1, &ss);
	(void)fprintf(out, "0x%016" PRIxPTR " <%s+%" PRIu64 "> (%s)\n", pc,
	    ss.ss_function[0] != '\0' ? ss.ss_function : "?", ss.ss_offset + 1, ss.ss_module);
}

bool
ki_pc_in(kmem_inspect_t *ki, uintptr_t pc, const char *function)
{
	spl_symbol_t ss;

	symbolize_pc(ki, pc - 1, &ss);
	return (strcmp(ss.ss_function, function) == 0);
}

/* ---- kmem's structures ---- */

int
ki_read_cache(kmem_inspect_t *ki, uintptr_t addr, kmem_cache_t *cp)
{
	const int error = kmem_inspect_read(ki, addr, cp, sizeof(*cp));

	cp->kc_name[KMEM_NAMELEN - 1] = '\0';
	return (error);
}

uintptr_t
ki_find_cache(kmem_inspect_t *ki, const char *name, kmem_cache_t *cp)
{
	uintptr_t addr = (uintptr_t)ki->ki_root.kr_caches;

	for (int n = 0; addr != 0 && n < KMEM_MAXCACHES; n++) {
		if (ki_read_cache(ki, addr, cp) != 0)
			return (0);
		if (strcmp(cp->kc_name, name) == 0)
			return (addr);
		addr = (uintptr_t)cp->kc_next;
	}
	return (0);
}

uint64_t
ki_pagemap(kmem_inspect_t *ki, uintptr_t addr)
{
	const uintptr_t page = addr >> 12;
	uintptr_t leaf;
	uint64_t word;

	if (page >> (17 + PM_LEAFSHIFT) != 0 ||
	    kmem_inspect_read(ki, (uintptr_t)ki->ki_root.kr_pagemap +
		(page >> PM_LEAFSHIFT) * sizeof(leaf), &leaf, sizeof(leaf)) != 0 ||
	    leaf == 0 ||
	    kmem_inspect_read(ki, leaf + (page & ((1 << PM_LEAFSHIFT) - 1)) * 8, &word,
		sizeof(word)) != 0)
		return (0);
	return (word);
}

static void
magazine_rounds(kmem_inspect_t *ki, uintptr_t addr, void (*func)(void *, uintptr_t),
    void *arg, uint64_t *pops, int *count)
{
	struct {
		kmem_magazine_t head;
		uintptr_t round[256];
	} m;

	if (addr == 0 ||
	    kmem_inspect_read(ki, addr, &m.head, sizeof(m.head)) != 0)
		return;
	const uint32_t n = MIN(MAG_ROUNDS(m.head.mag_word), 256);
	*pops += MAG_POPS(m.head.mag_word);
	if (n == 0 ||
	    kmem_inspect_read(ki, addr + sizeof(m.head), m.round, n * sizeof(uintptr_t)) != 0)
		return;
	*count += (int)n;
	for (uint32_t i = 0; i < n && func != NULL; i++)
		func(arg, m.round[i]);
}

/* Call func for each object in magazines; returns their number. */
int
ki_cache_rounds(kmem_inspect_t *ki, const kmem_cache_t *cp,
    void (*func)(void *arg, uintptr_t obj), void *arg, uint64_t *pops)
{
	int count = 0;

	*pops = 0;
	for (uint32_t i = 0; cp->kc_cpu_real != NULL && i < ki->ki_root.kr_ncpus; i++) {
		kmem_cpu_t cc;
		if (kmem_inspect_read(ki, (uintptr_t)&cp->kc_cpu_real[i], &cc, sizeof(cc)) != 0)
			break;
		magazine_rounds(ki, (uintptr_t)cc.cc_loaded, func, arg, pops, &count);
		magazine_rounds(ki, (uintptr_t)cc.cc_prev, func, arg, pops, &count);
	}
	uintptr_t addr = (uintptr_t)cp->kc_fullmags.ml_list;
	for (int n = 0; addr != 0 && n < LIST_LIMIT; n++) {
		kmem_magazine_t m;
		magazine_rounds(ki, addr, func, arg, pops, &count);
		if (kmem_inspect_read(ki, addr, &m, sizeof(m)) != 0)
			break;
		addr = (uintptr_t)m.mag_next;
	}
	return (count);
}

/* ---- opening and closing ---- */

static int
open_finish(kmem_inspect_t *ki, int error, kmem_inspect_t **out)
{
	if (error == 0)
		error = find_root(ki);
	if (error != 0) {
		kmem_inspect_close(ki);
		return (error);
	}
	*out = ki;
	return (0);
}

int
kmem_inspect_pid(pid_t pid, kmem_inspect_t **out)
{
	kmem_inspect_t *ki = kmem_zalloc(sizeof(*ki), KM_SLEEP);

	ki->ki_pid = pid;
	ki->ki_fd = -1;
	int error = stop_threads(ki);
	if (error == 0)
		error = read_maps(ki);
	return (open_finish(ki, error, out));
}

int
kmem_inspect_core(const char *path, kmem_inspect_t **out)
{
	kmem_inspect_t *ki = kmem_zalloc(sizeof(*ki), KM_SLEEP);

	ki->ki_fd = open(path, O_RDONLY | O_CLOEXEC);
	return (open_finish(ki, ki->ki_fd < 0 ? errno : read_core(ki), out));
}

void
kmem_inspect_close(kmem_inspect_t *ki)
{
	size_t threads_size = ki->ki_nthreads == 0 ? 0 : 64;

	while (threads_size < ki->ki_nthreads)
		threads_size *= 2;
	for (size_t i = 0; i < ki->ki_nthreads; i++)
		(void)ptrace(PTRACE_DETACH, ki->ki_threads[i], NULL, NULL);
	if (ki->ki_fd >= 0)
		(void)close(ki->ki_fd);
	kmem_free(ki->ki_threads, threads_size * sizeof(*ki->ki_threads));
	kmem_free(ki->ki_maps, ki->ki_maps_size * sizeof(*ki->ki_maps));
	kmem_free(ki->ki_regs, ki->ki_regs_size * sizeof(*ki->ki_regs));
	kmem_free(ki, sizeof(*ki));
}
