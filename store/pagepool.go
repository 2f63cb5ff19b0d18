package store

import (
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// pooledPages is how many pages of SQLite's files a process holds, 5 MB, for all of
// its connections. With 700,000 people a campaign costs the same CPU whether it has
// 700, 1,000 or 1,500 of them, or as many as its connections may take, which are
// 5,000.
const pooledPages = 1200

const pageSize = 4096

// poolPages gives SQLite memory for the pages that it keeps, once for the process,
// before the first file is opened. A page with what SQLite notes of it is a little
// more than 4 KB; asked for alone it would get 8. Where the pool is used up, the page
// that was used longest ago makes room, of whatever connection it is; what a
// transaction holds beyond it is asked for as before.
//
// Where it fails, because somebody has opened a file already, pages are asked for one
// by one, and nothing but memory is lost.
var poolPages = sync.OnceFunc(func() {
	tls := libc.NewTLS()
	defer tls.Close()
	args := libc.Xmalloc(tls, 4*libc.Tsize_t(unsafe.Sizeof(uintptr(0))))
	noted := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(int32(0))))
	if args == 0 || noted == 0 {
		return
	}
	defer libc.Xfree(tls, args)
	defer libc.Xfree(tls, noted)
	if sqlite3.Xsqlite3_config(tls, sqlite3.SQLITE_CONFIG_PCACHE_HDRSZ, libc.VaList(args, noted)) != sqlite3.SQLITE_OK {
		return
	}
	each := pageSize + libc.AtomicLoadPInt32(noted)
	pool := libc.Xmalloc(tls, libc.Tsize_t(each)*pooledPages) // SQLite's for as long as the process lives
	if pool == 0 {
		return
	}
	if sqlite3.Xsqlite3_config(tls, sqlite3.SQLITE_CONFIG_PAGECACHE, libc.VaList(args, pool, each, int32(pooledPages))) != sqlite3.SQLITE_OK {
		libc.Xfree(tls, pool)
	}
})
