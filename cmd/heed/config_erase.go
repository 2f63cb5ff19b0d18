package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"heed/store"
)

// defaultBackup is declared where the file declares nothing.
var defaultBackup = []backupConfig{{Name: "database", Cycle: "30d"}}

func (c *config) checkErasure() (problems []error) {
	for i, one := range c.Backup {
		if one.Name == "" {
			problems = append(problems, fmt.Errorf("backup %d: needs a name, which certificates of erasure show", i+1))
		}
		if _, err := days(one.Cycle); err != nil {
			problems = append(problems, fmt.Errorf("backup %d (%s): the cycle %q must be how long a copy lives, such as 30d or 720h", i+1, one.Name, one.Cycle))
		}
	}
	return problems
}

// days reads a time of which the unit may also be a day.
func days(text string) (time.Duration, error) {
	if number, is := strings.CutSuffix(text, "d"); is {
		n, err := strconv.Atoi(number)
		return time.Duration(n) * 24 * time.Hour, positive(min(n, 1000), err)
	}
	d, err := time.ParseDuration(text)
	if err == nil && d <= 0 {
		err = errRange
	}
	return d, err
}

// plan is what erasures need to know of the configuration, which was checked.
func (c *config) plan() (p store.Plan) {
	backups := c.Backup
	if len(backups) == 0 {
		backups = defaultBackup
	}
	for _, one := range backups {
		cycle, _ := days(one.Cycle)
		p.Backups = append(p.Backups, store.Backup{Name: one.Name, Cycle: cycle})
	}
	return p
}
