package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestE2EBadPayloads: tasks that nobody of ours made lie in the queues of a real
// Redis, before and while a campaign is sent. It goes out whole.
func TestE2EBadPayloads(t *testing.T) {
	s, real := stormOn(t, setUp{redis: true}, 200)
	before := peak(t, s.children["serve"])
	s.spoilQueues(t, real, "early")
	id := s.starts(t.Context(), t, newsFile(s.site.url, 100))
	s.sends(t, 50)
	s.spoilQueues(t, real, "late")
	p := s.finishes(t.Context(), t, id)
	p.expectWhole(t, 0)
	if p.Marketing != len(s.people) {
		t.Errorf("%d messages came, want %d", p.Marketing, len(s.people))
	}
	who := s.people[3].email
	done, folder, err := s.mail(t.Context(), plainLetter(who, "unsubscribe@"+domain, "stop", "Please unsubscribe me."))
	if err != nil || folder != "Processed" || done.IsZero() {
		t.Errorf("an opt-out by mail afterwards lies in %q, %v", folder, err)
	}
	s.isOut(t.Context(), t, who)
	if grown := peak(t, s.children["serve"]) - before; grown > memoryAllowed {
		t.Errorf("the process grew by %d MiB", grown>>10)
	}
}

// spoilQueues writes tasks by hand, as asynq lays them out: the id in a list, the
// message in a hash.
func (s *story) spoilQueues(t *testing.T, real *servers, round string) {
	t.Helper()
	client, err := dialRedis(real.redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, queue := range []string{"preference", "alert", "privacy", "newsletter"} {
		for i, message := range badMessages(queue, round) {
			id := badID(round, i)
			if message != nil {
				err = client.HSet(t.Context(), "asynq:{"+queue+"}:t:"+id, "msg", message, "state", "pending", "pending_since", 1).Err()
			}
			if err == nil {
				err = client.LPush(t.Context(), "asynq:{"+queue+"}:pending", id).Err()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func badID(round string, i int) string { return fmt.Sprintf("%s-%d", round, i) }

// badMessages are tasks with payloads that mean nothing, and messages that are
// none; nil stands for an id behind which there is nothing.
func badMessages(queue, round string) (all [][]byte) {
	random := rand.NewChaCha8([32]byte{9})
	payloads := [][]byte{nil, []byte("1"), []byte("1.1"), []byte("0.0"), []byte("-1.-1"), []byte("99999999999999999999.1"), []byte("1.1.1"), []byte(".")}
	for _, n := range []int{1, 16, 4096, 1 << 20} {
		bytes := make([]byte, n)
		_, _ = random.Read(bytes) // it never fails
		payloads = append(payloads, bytes)
		all = append(all, bytes)
	}
	for _, payload := range payloads {
		for _, kind := range []string{"send", "nothing we do", ""} {
			all = append(all, taskMessage(kind, badID(round, len(all)), queue, payload))
		}
	}
	return append(all, nil, []byte{})
}

// taskMessage is a task in the protocol buffers of asynq: type, payload, id and
// queue are fields 1 to 4, retries 5 and the time allowed in seconds 8.
func taskMessage(kind, id, queue string, payload []byte) (raw []byte) {
	for i, field := range []string{kind, string(payload), id, queue} {
		raw = append(raw, byte(i+1)<<3|2)
		raw = binary.AppendUvarint(raw, uint64(len(field)))
		raw = append(raw, field...)
	}
	return append(raw, 5<<3, 1, 8<<3, 30)
}
