insert into included values (:'from');
