package main

import (
	"testing"
	"time"
)

func at(seconds int) time.Time { return time.Unix(1790000000+int64(seconds), 0) }

func TestDemoProofCounts(t *testing.T) {
	clean := []handed{
		{kindHello, bo, "1", at(1), true}, {kindNews, bo, "2", at(5), true},
		{kindNews, cy, "3", at(6), true}, {kindAlert, bo, "4", at(30), false}, {kindOther, bo, "5", at(31), false}, {kindOther, bo, "6", at(32), false},
	}
	acks := []ack{{bo, at(10), 0}}
	if p := countRecord(clean, acks); p.SentAfter != 0 || p.Duplicates != 0 || p.Marketing != 3 || p.OneClick != 3 || p.Messages != 6 || p.OptOuts != 1 {
		t.Errorf("%+v", p)
	}
	for name, tc := range map[string]struct {
		more handed
		acks []ack
		bad  func(proof) bool
	}{
		"after":     {handed{kindNews, ann, "7", at(20), true}, []ack{{ann, at(19), 0}}, func(p proof) bool { return p.SentAfter == 1 }},
		"in flight": {handed{kindNews, ann, "7", at(20), true}, []ack{{ann, at(19), 1}}, func(p proof) bool { return p.SentAfter == 0 && p.InFlight == 1 }},
		"twice":     {handed{kindNews, cy, "7", at(7), true}, acks, func(p proof) bool { return p.Duplicates == 1 }},
		"same id":   {handed{kindNews, ann, "3", at(7), true}, acks, func(p proof) bool { return p.Duplicates == 1 }},
		"unsigned":  {handed{kindNews, ann, "7", at(7), false}, acks, func(p proof) bool { return p.OneClick == p.Marketing-1 }},
	} {
		if p := countRecord(append(clean[:len(clean):len(clean)], tc.more), tc.acks); !tc.bad(p) {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestDemoProofCompares(t *testing.T) {
	messages := []handed{{kindNews, bo, "1", at(1), true}, {kindHello, cy, "2", at(1), true}, {kindNews, ann, "3", at(1), true}}
	results := []result{{bo, "accepted", ""}, {cy, "accepted", ""}, {ann, "skipped", "opted_out"}, {dee, "accepted", ""}, {eve, "uncertain", ""}}
	a := account{Audience: 5, Accepted: 3, Skipped: map[string]int{"opted_out": 1}, Uncertain: 1}
	p := countRecord(messages, []ack{{hal, at(9), 0}})
	p.compare(a, results, messages, func(to string) bool { return to == dee })
	if p.Lost != 1 || p.Unlisted != 1 || p.Uncertain != 1 || !p.Balanced {
		t.Errorf("%+v", p)
	}
	p.Verified, p.Allowed = true, 1
	p.judge()
	if p.OK || len(p.Problems) != 2 {
		t.Errorf("%q", p.Problems)
	}
	a.Waiting = 1
	if p.compare(a, results, messages, func(string) bool { return true }); p.Balanced {
		t.Error("an account that does not add up is called balanced")
	}
}

func TestDemoProofJudges(t *testing.T) {
	good := proof{Messages: 10, Marketing: 9, OneClick: 9, OptOuts: 2, Balanced: true, Verified: true}
	if good.judge(); !good.OK {
		t.Errorf("%q", good.Problems)
	}
	for name, spoil := range map[string]func(*proof){
		"after": func(p *proof) { p.SentAfter = 1 }, "twice": func(p *proof) { p.Duplicates = 1 }, "lost": func(p *proof) { p.Lost = 1 },
		"unlisted": func(p *proof) { p.Unlisted = 1 }, "uncertain": func(p *proof) { p.Uncertain = 1 }, "unsigned": func(p *proof) { p.OneClick = 8 },
		"unbalanced": func(p *proof) { p.Balanced = false }, "verify": func(p *proof) { p.Verified = false }, "nothing": func(p *proof) { p.Marketing = 0 },
		"nobody": func(p *proof) { p.OptOuts = 0 },
	} {
		bad := proof{Messages: 10, Marketing: 9, OneClick: 9, OptOuts: 2, Balanced: true, Verified: true}
		spoil(&bad)
		if bad.judge(); bad.OK || len(bad.Problems) == 0 {
			t.Errorf("%s passes", name)
		}
	}
}

// TestDemoProofOfTheErased: whoever was erased after the campaign went to them
// is in its results without a name. As many as there are must have arrived.
func TestDemoProofOfTheErased(t *testing.T) {
	results := []result{{bo, "accepted", ""}, {"", "accepted", ""}}
	a := account{Audience: 2, Accepted: 2}
	messages := []handed{{kindNews, bo, "1", at(1), true}, {kindNews, fay, "2", at(1), true}}
	for lost, arrived := range map[int][]handed{0: messages, 1: messages[:1]} {
		p := countRecord(arrived, nil)
		if p.compare(a, results, arrived, func(string) bool { return false }); p.Lost != lost {
			t.Errorf("of %d messages that arrived %d are called lost, want %d", len(arrived), p.Lost, lost)
		}
	}
}
