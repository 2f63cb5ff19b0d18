package inbox

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/store/storetest"
)

// backlogSize is how many mails lie in the mailbox; HEED_BACKLOG makes it
// another number.
func backlogSize() int {
	if n, err := strconv.Atoi(os.Getenv("HEED_BACKLOG")); err == nil && n > 0 {
		return n
	}
	if raced {
		return 1000
	}
	return 5000
}

// TestDovecotBacklog: a flood of unsolicited mail lies in unsubscribe@. Opt-outs
// by a link that lie among it, and those that come while it is worked off, take
// effect before all of it, in little memory.
func TestDovecotBacklog(t *testing.T) {
	p, n := newPost(t, RoleUnsubscribe, storetest.DovecotOptions{}), backlogSize()
	byLink := func(i int) (address string, raw []byte) {
		address = fmt.Sprintf("sealed%d@example.org", i)
		token := p.s.Keys().Links.Seal(consent.Link{Purpose: consent.PurposeOptOut, Address: key(t, p.s, address)})
		return address, letter("other@example.org", "unsubscribe+"+token+"@news.example", "", "")
	}
	const links = 50
	var among []string
	for i := range n {
		if i%(n/links) == n/links/2 {
			address, raw := byLink(len(among))
			among = append(among, address)
			p.arrives(raw)
		}
		p.arrives(letter(fmt.Sprintf("shop%d@example.com", i), "unsubscribe@news.example", fmt.Sprintf("Offer %d of the week", i),
			strings.Repeat("Watches, pills and loans at the best price. ", 20)))
	}
	for range 50 { // the word lists are read before the memory is measured
		Read(letter("a@example.org", "unsubscribe@news.example", "Hello", "Would you call me?"), RoleUnsubscribe, testRing, Ours{})
	}
	before, began := peak(t), time.Now()
	poller := p.poller()
	poller.Poll = time.Minute
	run(t, poller)
	patiently(t, time.Duration(n)*2*time.Millisecond+30*time.Second, "the opt-outs in the backlog", func() bool {
		return !slices.ContainsFunc(among, func(address string) bool { return !optedOut(t, p.s, key(t, p.s, address)) })
	})
	t.Logf("%d mails: opt-outs among them had their effect after %s", n, time.Since(began).Round(time.Millisecond))
	var took []time.Duration
	for i := range 100 {
		if p.Count(p.user, "INBOX") < n/5 {
			break
		}
		address, raw := byLink(links + i)
		p.arrives(raw)
		took = append(took, eventually(t, address, func() bool { return optedOut(t, p.s, key(t, p.s, address)) }))
	}
	if len(took) < 5 {
		t.Fatalf("only %d opt-outs came while the backlog was worked off", len(took))
	}
	slices.Sort(took)
	waiting := p.Count(p.user, "INBOX")
	t.Logf("%d came meanwhile: effect after %s (p50), %s (p99), with %d mails still waiting", len(took), took[len(took)/2].Round(time.Millisecond),
		took[len(took)*99/100].Round(time.Millisecond), waiting)
	patiently(t, time.Duration(n)*20*time.Millisecond+30*time.Second, "an empty INBOX", func() bool { return p.Count(p.user, "INBOX") == 0 })
	all, grown := time.Since(began), peak(t)-before
	t.Logf("all of it after %s, %.0f a second; the memory grew by %.1f MiB", all.Round(time.Millisecond), float64(n)/all.Seconds(), float64(grown)/(1<<20))
	if waiting == 0 || grown > 96<<20 {
		t.Errorf("%d mails waited when the last opt-out had its effect; the memory grew by %d MiB", waiting, grown>>20)
	}
}

func patiently(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < limit; time.Sleep(50 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("waited %s in vain: %s", limit, what)
}
