package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxRow bounds a row, and maxLines how many lines a quoted field may span:
// a quote that is never closed must not swallow the rest of the file.
const (
	maxRow   = 1 << 20
	maxLines = 100
)

// sheet reads a CSV file with a header row by row. A row that cannot be read
// costs itself only.
type sheet struct {
	r       *bufio.Reader
	ahead   [][]byte // lines that were looked at and given back
	line    int      // number of the line last taken
	columns []string
}

// rowError is what is wrong with one row.
type rowError struct {
	line   int
	reason string
}

func (e rowError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.reason) }

// newSheet reads the header and checks it against the columns that are known.
func newSheet(r io.Reader, known func(string) bool, names []string) (*sheet, error) {
	t := &sheet{r: bufio.NewReaderSize(r, 64<<10)}
	start, _ := t.r.Peek(3)
	switch {
	case bytes.HasPrefix(start, []byte("\xef\xbb\xbf")):
		t.r.Discard(3)
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
		return nil, hinted(errors.New("the file is UTF-16"), "save it as CSV in UTF-8")
	}
	columns, _, err := t.next()
	if err == io.EOF {
		return nil, errors.New("the file is empty: its first line must name the columns")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the line that names the columns: %w", err)
	}
	t.columns = columns
	return t, checkColumns(columns, known, names)
}

func checkColumns(columns []string, known func(string) bool, names []string) error {
	if len(columns) == 1 && strings.ContainsAny(columns[0], ";\t") {
		return hinted(errors.New("the columns are not separated by commas"), "export the file again with a comma as separator")
	}
	for i, column := range columns {
		if slices.Contains(columns[:i], column) {
			return fmt.Errorf("the column %q stands there twice", column)
		}
		if known(column) {
			continue
		}
		text := fmt.Sprintf("the column %q is unknown", column)
		if near := nearest(column, names); near != "" {
			text += fmt.Sprintf(", did you mean %s?", near)
		}
		return hinted(errors.New(text), "columns are "+strings.Join(names, ", "))
	}
	if !slices.Contains(columns, "email") {
		return hinted(errors.New("there is no column email"), "columns are "+strings.Join(names, ", "))
	}
	return nil
}

// row gives the next row by column, and the line on which it begins. The error
// is io.EOF at the end, and a rowError where only this row is wrong.
func (t *sheet) row() (map[string]string, int, error) {
	fields, line, err := t.next()
	if err != nil {
		return nil, line, err
	}
	if len(fields) != len(t.columns) {
		return nil, line, rowError{line, fmt.Sprintf("it has %d fields, the header names %d", len(fields), len(t.columns))}
	}
	values := make(map[string]string, len(fields))
	for i, field := range fields {
		values[t.columns[i]] = unguarded(strings.TrimSpace(field))
	}
	return values, line, nil
}

// next reads one record; empty lines are passed over.
func (t *sheet) next() ([]string, int, error) {
	text, err := t.take()
	for err == nil && len(bytes.TrimSpace(text)) == 0 {
		text, err = t.take()
	}
	if err != nil {
		return nil, t.line, err
	}
	first := t.line
	var more [][]byte
	record := slices.Clone(text)
	for bytes.Count(record, []byte(`"`))%2 == 1 && len(more) < maxLines && len(record) < maxRow {
		line, err := t.take()
		if err != nil {
			break
		}
		more = append(more, line)
		record = append(record, line...)
	}
	fields, reason := parseRecord(record)
	if reason != "" {
		t.giveBack(more)
		return nil, first, rowError{first, reason}
	}
	return fields, first, nil
}

func parseRecord(record []byte) ([]string, string) {
	if len(record) >= maxRow {
		return nil, "it is longer than a megabyte"
	}
	if !utf8.Valid(record) {
		return nil, "it is not UTF-8; save the file as UTF-8"
	}
	if bytes.IndexByte(record, 0) >= 0 {
		return nil, "it holds a zero byte"
	}
	r := csv.NewReader(bytes.NewReader(record))
	r.FieldsPerRecord = -1
	fields, err := r.Read()
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return nil, parse.Err.Error()
	}
	if err != nil {
		return nil, err.Error()
	}
	return fields, ""
}

func (t *sheet) giveBack(lines [][]byte) {
	t.ahead = append(slices.Clone(lines), t.ahead...)
	t.line -= len(lines)
}

// take gives the next line with its end. Of a line that is too long only as
// much is kept as shows that it is.
func (t *sheet) take() ([]byte, error) {
	if len(t.ahead) > 0 {
		line := t.ahead[0]
		t.ahead = t.ahead[1:]
		t.line++
		return line, nil
	}
	var line []byte
	for {
		part, err := t.r.ReadSlice('\n')
		if len(line) < maxRow {
			line = append(line, part...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil && (err != io.EOF || len(line) == 0) {
			return nil, err
		}
		t.line++
		return line, nil
	}
}

// guarded keeps a spreadsheet from taking a value for a formula; unguarded
// takes the guard off again.
func guarded(value string) string {
	if value != "" && strings.ContainsRune("=+-@\t\r", rune(value[0])) {
		return "'" + value
	}
	return value
}

func unguarded(value string) string {
	if len(value) > 1 && value[0] == '\'' && strings.ContainsRune("=+-@", rune(value[1])) {
		return value[1:]
	}
	return value
}

// writeCSV writes one guarded row.
func writeCSV(w *csv.Writer, fields ...string) error {
	for i, field := range fields {
		fields[i] = guarded(field)
	}
	return w.Write(fields)
}
