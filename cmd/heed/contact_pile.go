package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"io"
	"slices"
	"strings"

	"heed/consent"
	"heed/store"
)

// A pile is rows of a file on their way into the store, which takes them in the
// order of their address keys. Whatever the database finds by that key lies all over
// its trees: rows in the order of a file would have it write a page of each tree for
// each person, while neighbours share theirs.

// pileRows and pileSize bound a pile, so that a file of any length needs little
// memory.
const (
	pileRows = 50000
	pileSize = 16 << 20
)

type pile struct {
	columns []string
	rows    []piled
	size    int
	seed    maphash.Seed
	came    map[uint64]int // rounds in which an address or an id came, by its hash
}

// piled is a row in little room.
type piled struct {
	key    consent.Key
	round  int // how often its address, or its id, came before
	line   int
	values string // one after the other, with a zero byte in between, which no row holds
}

func newPile(columns []string) *pile {
	return &pile{columns: columns, seed: maphash.MakeSeed(), came: map[uint64]int{}}
}

// read takes rows until there are enough; more is false at the end of the file.
func (p *pile) read(t *sheet, s *store.Store, total *store.Imported) (more bool, err error) {
	for len(p.rows) < pileRows && p.size < pileSize {
		row, line, err := t.row()
		var bad rowError
		switch {
		case err == io.EOF:
			return false, nil
		case errors.As(err, &bad):
			total.Rejected = append(total.Rejected, store.Rejected{Row: bad.line, Reason: bad.reason})
			continue
		case err != nil:
			return false, err
		}
		key, _, _ := s.Key(row["email"]) // none of what is no address, which is rejected when its turn comes
		p.add(key, line, row)
	}
	return true, nil
}

func (p *pile) add(key consent.Key, line int, row map[string]string) {
	values := make([]string, len(p.columns))
	for i, column := range p.columns {
		values[i] = row[column]
	}
	one := piled{key: key, line: line, values: strings.Join(values, "\x00")}
	one.round = p.round(binary.BigEndian.Uint64(key[:]), row["external_id"])
	p.rows, p.size = append(p.rows, one), p.size+len(one.values)
}

// round keeps rows about the same address, and those with the same id, in the order
// of the file: the first to name an id has it. A hash that two share costs a round.
func (p *pile) round(address uint64, id string) int {
	round := p.came[address]
	if id != "" {
		hash := maphash.String(p.seed, id)
		round = max(round, p.came[hash])
		p.came[hash] = round + 1
	}
	p.came[address] = round + 1
	return round
}

// sorted gives the rows in the order in which they are to be stored. A handful stays
// as it is.
func (p *pile) sorted() []piled {
	few := len(p.rows) <= 200
	slices.SortStableFunc(p.rows, func(a, b piled) int {
		if a.round != b.round || few {
			return a.round - b.round
		}
		return bytes.Compare(a.key[:], b.key[:])
	})
	return p.rows
}

// contacts reads what the rows say; whoever cannot be taken is rejected.
func (p *pile) contacts(rows []piled, total *store.Imported) []store.Contact {
	contacts := make([]store.Contact, 0, len(rows))
	for _, one := range rows {
		row := make(map[string]string, len(p.columns))
		for i, value := range strings.Split(one.values, "\x00") {
			row[p.columns[i]] = value
		}
		contact, err := contactOf(row, one.line)
		if err != nil {
			total.Rejected = append(total.Rejected, store.Rejected{Row: one.line, Reason: err.Error()})
			continue
		}
		contacts = append(contacts, contact)
	}
	return contacts
}
