package store

import (
	"slices"
	"testing"
)

// TestLinesTakeTurns: each line gets as many as any other, what is on its way
// counts, and where there is less room than lines each has its turn.
func TestLinesTakeTurns(t *testing.T) {
	takes := func(l *lineTurns, room int, lines ...jobLine) (all []int64) {
		for _, one := range l.share("newsletter", slices.Clone(lines), room) {
			for range one.take {
				all = append(all, one.campaign)
			}
		}
		return all
	}
	for _, one := range []struct {
		name  string
		room  int
		lines []jobLine
		want  []int64
	}{
		{"one alone gets all", 3, []jobLine{{campaign: 1, ready: 9}}, []int64{1, 1, 1}},
		{"two get the same", 4, []jobLine{{campaign: 1, ready: 9}, {campaign: 2, ready: 9}}, []int64{1, 1, 2, 2}},
		{"what one leaves the other gets", 4, []jobLine{{campaign: 1, ready: 9}, {campaign: 2, ready: 1}}, []int64{1, 1, 1, 2}},
		{"what is on its way counts", 3, []jobLine{{campaign: 1, ready: 9, moving: 7}, {campaign: 2, ready: 9}}, []int64{2, 2, 2}},
		{"nobody has anything", 3, nil, nil},
	} {
		if got := takes(&lineTurns{}, one.room, one.lines...); !slices.Equal(got, one.want) {
			t.Errorf("%s: %v, want %v", one.name, got, one.want)
		}
	}
	var l lineTurns
	var order []int64
	for range 6 { // one place for three
		order = append(order, takes(&l, 1, jobLine{campaign: 1, ready: 9}, jobLine{campaign: 2, ready: 9}, jobLine{campaign: 3, ready: 9})...)
	}
	if !slices.Equal(order, []int64{1, 2, 3, 1, 2, 3}) {
		t.Errorf("one place was given to %v", order)
	}
}
