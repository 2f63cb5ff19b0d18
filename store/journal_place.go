package store

import (
	"bufio"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

const journalMark = "heed journal "

// openAt opens a journal, beginning it where there is none: a file, a folder, or
// a table of another database.
func openAt(ctx context.Context, where string) (*openPlace, error) {
	if strings.HasPrefix(where, "postgres://") || strings.HasPrefix(where, "postgresql://") || strings.HasPrefix(where, "sqlite:") {
		return openJournalTable(ctx, where)
	}
	if info, err := os.Stat(where); err == nil && info.IsDir() {
		where = filepath.Join(where, "journal")
	}
	return openJournalFile(where)
}

// journalFile is a journal in a file; beside it lies its mark.
type journalFile struct {
	mu   sync.Mutex
	file *os.File
}

func openJournalFile(path string) (*openPlace, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the journal: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	head, err := bufio.NewReader(io.LimitReader(f, 200)).ReadString('\n')
	fresh := err != nil && head == ""
	if fresh {
		head = journalMark + rand.Text() + "\n"
		if _, err := f.WriteString(head); err != nil {
			f.Close()
			return nil, fmt.Errorf("beginning the journal: %w", err)
		}
	}
	id, found := strings.CutPrefix(strings.TrimSpace(head), journalMark)
	if !found {
		f.Close()
		return nil, fmt.Errorf("%s is %w; put back the right file or move it away", path, errForeign)
	}
	return &openPlace{shelf: &journalFile{file: f}, name: "journal " + id, fresh: fresh}, nil
}

// append cuts off again what a full disk took half of: the next line must not
// grow on it.
func (j *journalFile) append(_ context.Context, lines string) (int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	info, err := j.file.Stat()
	if err != nil {
		return 0, fmt.Errorf("measuring the journal: %w", err)
	}
	if _, err := os.Stat(j.file.Name()); err != nil {
		return 0, fmt.Errorf("the journal is gone: %w", err)
	}
	if _, err = j.file.WriteString(lines); err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return 0, fmt.Errorf("writing the journal: %w", errors.Join(err, j.file.Truncate(info.Size())))
	}
	return info.Size() + int64(len(lines)), nil
}

func (j *journalFile) read(_ context.Context, from int64) (string, int64, error) {
	info, err := os.Stat(j.file.Name())
	if err != nil {
		return "", 0, fmt.Errorf("reading the journal: %w", err)
	}
	if info.Size() <= from {
		return "", info.Size(), nil
	}
	text, err := io.ReadAll(io.NewSectionReader(j.file, from, info.Size()-from))
	if err != nil {
		return "", 0, fmt.Errorf("reading the journal: %w", err)
	}
	return string(text), info.Size(), nil
}

func (j *journalFile) mark(_ context.Context, set int64) (int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	path := j.file.Name() + ".mark"
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, fmt.Errorf("reading the journal's mark: %w", err)
	}
	now, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		now = 0
	}
	if set <= now {
		return now, nil
	}
	return set, writeWhole(path, strconv.FormatInt(set, 10)+"\n")
}

func (j *journalFile) close() { j.file.Close() }

// journalTable is a journal in another database.
type journalTable struct {
	db *sql.DB
	d  dialect
}

func openJournalTable(ctx context.Context, url string) (*openPlace, error) {
	write, read, d, err := open(url, nil)
	if err != nil {
		return nil, fmt.Errorf("the journal: %w", err)
	}
	if read != write {
		read.Close()
	}
	p, err := beginTable(ctx, &journalTable{write, d})
	if err != nil {
		write.Close()
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	return p, nil
}

func beginTable(ctx context.Context, j *journalTable) (*openPlace, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*journalPatience)
	defer cancel()
	for _, query := range []string{
		`CREATE TABLE IF NOT EXISTS heed_journal (id BIGINT PRIMARY KEY, line TEXT NOT NULL)`,
		`CREATE TABLE IF NOT EXISTS heed_journal_head (one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL, mark BIGINT NOT NULL)`,
	} {
		if _, err := j.db.ExecContext(ctx, query); err != nil {
			return nil, err
		}
	}
	done, err := j.db.ExecContext(ctx, `INSERT INTO heed_journal_head (one, name, mark) VALUES (1, $1, 0) ON CONFLICT DO NOTHING`, rand.Text())
	if err != nil {
		return nil, err
	}
	n, err := done.RowsAffected()
	if err != nil {
		return nil, err
	}
	var id string
	if err := j.db.QueryRowContext(ctx, `SELECT name FROM heed_journal_head`).Scan(&id); err != nil {
		return nil, err
	}
	return &openPlace{shelf: j, name: "journal " + id, fresh: n > 0}, nil
}

func (j *journalTable) append(ctx context.Context, lines string) (size int64, err error) {
	raw, err := j.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("reaching the journal: %w", err)
	}
	defer raw.Rollback()
	var mark int64
	if err := raw.QueryRowContext(ctx, `SELECT mark FROM heed_journal_head`+j.d.forUpdate).Scan(&mark); err != nil {
		return 0, fmt.Errorf("reading the journal: %w", err)
	}
	if err := raw.QueryRowContext(ctx, `SELECT COALESCE(max(id), 0) FROM heed_journal`).Scan(&size); err != nil {
		return 0, fmt.Errorf("measuring the journal: %w", err)
	}
	for _, line := range strings.Split(strings.TrimSuffix(lines, "\n"), "\n") {
		size++
		if _, err := raw.ExecContext(ctx, `INSERT INTO heed_journal (id, line) VALUES ($1, $2)`, size, line); err != nil {
			return 0, fmt.Errorf("writing the journal: %w", err)
		}
	}
	return size, raw.Commit()
}

func (j *journalTable) read(ctx context.Context, from int64) (string, int64, error) {
	found, err := j.db.QueryContext(ctx, `SELECT id, line FROM heed_journal WHERE id > $1 ORDER BY id`, from)
	if err != nil {
		return "", 0, fmt.Errorf("reading the journal: %w", err)
	}
	defer found.Close()
	var lines strings.Builder
	size := from
	for found.Next() {
		var line string
		if err := found.Scan(&size, &line); err != nil {
			return "", 0, err
		}
		lines.WriteString(line + "\n")
	}
	return lines.String(), size, found.Err()
}

func (j *journalTable) mark(ctx context.Context, set int64) (now int64, err error) {
	if set > 0 {
		if _, err := j.db.ExecContext(ctx, `UPDATE heed_journal_head SET mark = $1 WHERE mark < $1`, set); err != nil {
			return 0, fmt.Errorf("marking the journal: %w", err)
		}
	}
	err = j.db.QueryRowContext(ctx, `SELECT mark FROM heed_journal_head`).Scan(&now)
	return now, err
}

func (j *journalTable) close() { j.db.Close() }
