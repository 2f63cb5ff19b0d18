package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// restoreFile puts a SQLite file that is ours in the place of another, which stays
// beside it.
func restoreFile(ctx context.Context, fresh, path, suffix string) (old string, err error) {
	db, err := openFile(fresh)
	if err != nil {
		return "", err
	}
	if err := errors.Join(migrateFile(ctx, db), db.Close()); err != nil {
		return "", fmt.Errorf("bringing the backup up to date: %w", err)
	}
	if _, err := os.Stat(path); err == nil {
		old = path + suffix
		if err := setAside(ctx, path, old); err != nil {
			return "", fmt.Errorf("putting the old database aside: %w", err)
		}
	}
	return old, putInPlace(fresh, path)
}

// setAside gives a SQLite file a second name, so that there is a database whenever
// the restore is cut short. Only one that cannot be read, whose log must go with it,
// or a file system without links leaves a moment without one.
func setAside(ctx context.Context, path, old string) error {
	if foldLog(ctx, path) && os.Link(path, old) == nil {
		return nil
	}
	for _, part := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(path+part, old+part); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// foldLog writes the log of a SQLite file back into it, and tells whether none is
// left: beside another file it would be taken for that one's. The log of what is no
// such file would be lost by opening it.
func foldLog(ctx context.Context, path string) bool {
	if !isSQLite(path) {
		return false
	}
	db, err := openFile(path)
	if err != nil {
		return false
	}
	_, err = db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	if errors.Join(err, db.Close()) != nil {
		return false
	}
	_, err = os.Stat(path + "-wal")
	return errors.Is(err, os.ErrNotExist)
}

func isSQLite(path string) bool {
	const magic = "SQLite format 3\x00"
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(magic))
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == magic
}
