#!/bin/sh
# Real programs under libkmem.so, plain, with full checks, and sampled: each must give
# what it gives without. Usage: preload.sh /path/to/libkmem.so
lib=$1
fail=0
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

cat > t.c <<'C'
#include <stdio.h>
int main(void) { printf("compiled\n"); return 0; }
C
cat > t.py <<'P'
import threading, json, hashlib, os
out = []
def work(n):
    d = {str(i): [i] * (i % 50) for i in range(3000)}
    out.append(hashlib.sha256(json.dumps(d).encode()).hexdigest())
ts = [threading.Thread(target=work, args=(i,)) for i in range(8)]
[t.start() for t in ts]; [t.join() for t in ts]
pid = os.fork()
if pid == 0:
    work(9); os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
print(len(set(out)), len(out))
P
git init -q repo 2>/dev/null && echo hello > repo/a

run() # name, command
{
	command -v "${2%% *}" >/dev/null 2>&1 || { echo "skip $1: not installed"; return; }
	want=$(sh -c "$2" 2>/dev/null)
	for mode in "" "UMEM_DEBUG=default" "UMEM_DEBUG=default,firewall=4096" \
	    "UMEM_DEBUG=sample=100" "TARN_KMEM_NORSEQ=1" "UMEM_LOGGING=transaction"; do
		got=$(env LD_PRELOAD="$lib" UMEM_OPTIONS=log="$dir/report" $mode sh -c "$2" \
		    2>"$dir/err")
		status=$?
		if [ "$got" != "$want" ] || [ $status -ne 0 ] || [ -s "$dir/report" ]; then
			echo "FAIL $1 [$mode] status $status"
			head -5 "$dir/err" "$dir/report" 2>/dev/null
			rm -f "$dir/report"
			fail=1
		fi
	done
	echo "ok   $1"
}

run sh "sh -c 'i=0; while [ \$i -lt 300 ]; do i=\$((i+1)); done; echo \$i'"
run bash "bash -c 'a=(); for i in {1..500}; do a+=(\$i); done; echo \${a[@]} | md5sum'"
run python3 "python3 t.py"
run git "git -C repo -c user.name=a -c user.email=a@b status --porcelain"
run gcc "gcc -O2 -o t t.c && ./t"
run sqlite3 "sqlite3 :memory: 'with recursive c(x) as (select 1 union all select x+1 from c where x<3000) select sum(x) from c'"
run sort "sort -R --random-source=t.c t.py | md5sum"
run xz "xz -T2 -c t.py | xz -dc | md5sum"
run redis-server "redis-server --version"
exit $fail
