package store

import "database/sql"

// gather reads all rows of a query, each by scan, and closes it.
func gather[T any](found *sql.Rows, scan func(scanner) (T, error)) ([]T, error) {
	defer found.Close()
	var all []T
	for found.Next() {
		one, err := scan(found)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, found.Err()
}

// single scans a row of one column.
func single[T any](row scanner) (one T, err error) {
	err = row.Scan(&one)
	return one, err
}
