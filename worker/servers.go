package worker

import (
	"context"
	"net"
	"sync"
	"time"
)

// servers groups domains by the servers that their MX records name (RFC 5321
// §5.1), so that a company's domain at a large provider counts with it. Nobody
// waits for the DNS: what is not known yet is Other, and is known next time.
type servers struct {
	find    func(ctx context.Context, domain string) ([]*net.MX, error)
	groups  *groups
	now     func() time.Time
	looking chan string

	mu    sync.Mutex
	known map[string]served
}

type served struct {
	group string
	until time.Time
}

// How long an answer is kept, and how many domains are remembered.
const (
	servedFor   = 6 * time.Hour
	unservedFor = 10 * time.Minute // where the DNS did not answer
	mostServed  = 200_000
	lookTime    = 5 * time.Second
)

func newServers(g *groups, find func(context.Context, string) ([]*net.MX, error), now func() time.Time) *servers {
	if find == nil {
		find = net.DefaultResolver.LookupMX
	}
	return &servers{find: find, groups: g, now: now, looking: make(chan string, 1000), known: map[string]served{}}
}

// group tells what is known of a domain, and has it looked up where nothing is.
func (s *servers) group(domain string) string {
	s.mu.Lock()
	one, found := s.known[domain]
	fresh := found && s.now().Before(one.until)
	if !fresh { // asked once; the answer comes by itself
		if len(s.known) >= mostServed {
			clear(s.known)
		}
		s.known[domain] = served{one.group, s.now().Add(lookTime)}
	}
	s.mu.Unlock()
	if !fresh {
		select {
		case s.looking <- domain:
		default: // too much to look up at once: another time
		}
	}
	if one.group == "" {
		return Other
	}
	return one.group
}

// run looks domains up until ctx ends.
func (s *servers) run(ctx context.Context) {
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case domain := <-s.looking:
					s.look(ctx, domain)
				}
			}
		})
	}
	all.Wait()
}

func (s *servers) look(ctx context.Context, domain string) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	found, err := s.find(ctx, domain)
	keep := servedFor
	if err != nil {
		keep = unservedFor
	}
	group := Other
	for _, mx := range found { // the resolver sorts by preference
		if group = s.groups.byServer(mx.Host); group != Other {
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.known[domain]; err != nil && known.group != "" {
		group = known.group // what was known before is the better guess
	}
	s.known[domain] = served{group, s.now().Add(keep)}
}
