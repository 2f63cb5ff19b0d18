package inbox

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// How the public keys of other people's domains are looked for.
const (
	keyTime    = 5 * time.Second
	keyKept    = 10 * time.Minute
	keyMissing = time.Minute      // how long it is remembered that there is none
	keyRest    = 30 * time.Second // after a look-up that took too long nobody waits for another
	maxKeys    = 2000
)

// Keys looks public keys up and remembers them for some minutes. Its zero value
// looks nothing up: then no mail proves its writer by a signature. It may be
// used by several pollers at once.
type Keys struct {
	Lookup func(ctx context.Context, name string) ([]string, error)
	Now    func() time.Time // nil: time.Now

	mu    sync.Mutex
	known map[string]keyAnswer
	rest  time.Time
}

type keyAnswer struct {
	records []string
	err     error
	until   time.Time
}

func (k *Keys) now() time.Time {
	if k.Now == nil {
		return time.Now()
	}
	return k.Now()
}

// find gives the TXT records of a name. An answer that may be another one soon
// is never remembered, and never means that there is no key.
func (k *Keys) find(name string) ([]string, error) {
	if answer, known := k.remembered(name); known {
		return answer.records, answer.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), keyTime)
	defer cancel()
	records, err := k.Lookup(ctx, name+".") // without the machine's search list
	var dns *net.DNSError
	if err != nil && !(errors.As(err, &dns) && dns.IsNotFound) {
		k.pause(ctx.Err() != nil)
		return nil, errNoAnswer()
	}
	k.keep(name, keyAnswer{records: records, err: err})
	return records, err
}

// errNoAnswer is temporary, in the form that the verifier knows.
func errNoAnswer() error {
	return &net.DNSError{Err: "no answer", IsTemporary: true, IsTimeout: true}
}

func (k *Keys) remembered(name string) (keyAnswer, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if answer, known := k.known[name]; known && k.now().Before(answer.until) {
		return answer, true
	}
	if k.now().Before(k.rest) {
		return keyAnswer{err: errNoAnswer()}, true
	}
	return keyAnswer{}, false
}

func (k *Keys) pause(slow bool) {
	if !slow {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rest = k.now().Add(keyRest)
}

func (k *Keys) keep(name string, answer keyAnswer) {
	answer.until = k.now().Add(keyKept)
	if len(answer.records) == 0 {
		answer.until = k.now().Add(keyMissing)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil || len(k.known) >= maxKeys {
		k.known = map[string]keyAnswer{}
	}
	k.known[name] = answer
}
