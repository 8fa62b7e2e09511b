insert into included values ('without a semicolon at its end')
